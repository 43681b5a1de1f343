import { after, before, describe, it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import { CoAPClient, Code } from "@x/coap";
import { Program, runProgram, ServerProgram } from "../../testing/programs.ts";

const HERE = "examples/component";

describe("examples of the component", () => {
  const servers = new Map<string, ServerProgram>();
  const client = new CoAPClient();

  before(() => {
    for (const name of ["server", "deferred", "observable"]) {
      servers.set(name, new ServerProgram(`${HERE}/${name}.ts`, "0"));
    }
  });
  after(async () => {
    await client.close();
    await Promise.all([...servers.values()].map((server) => server.close()));
  });

  const origin = (name: string): Promise<string> => servers.get(name)!.origin;

  it("get a picture", async () => {
    const uri = `${await origin("server")}/pictures/animals/cats4.dat?format=png`;
    assertEquals(await runProgram(`${HERE}/get.ts`, uri), [
      0,
      "Request complete!\n2.05\nA picture of 20000 bytes",
    ]);
    await servers.get("server")!.prints(
      /^GET request .* path: \/pictures\S+ and URI query params: format=png$/m,
    );
    await servers.get("server")!.prints(/^Response sent for request with Id 1\.1$/m);
  });

  it("other methods are refused", async () => {
    const uri = await origin("server");
    const text = await client.get(`${uri}/a`);
    assertEquals([text.code, text.text(), text.contentFormat], [
      Code.Content,
      "The resource at /a",
      0,
    ]);
    for (const method of ["POST", "PUT", "DELETE"]) {
      const response = await client.request(method, uri);
      assertEquals([response.code, response.text(), response.contentFormat], [
        Code.MethodNotAllowed,
        "Only GET requests are allowed.",
        undefined,
      ]);
    }
  });

  it("answers that come later, to several requests at a time", async () => {
    const uri = await origin("deferred");
    const clients = [client, new CoAPClient(), new CoAPClient()];
    const texts = await Promise.all(clients.map(async (one, i) => {
      const response = await one.get(`${uri}/${i}`);
      return response.text();
    }));
    assertEquals(texts, [0, 1, 2].map((i) => `The answer to /${i}`));
    await servers.get("deferred")!.prints(/^Response sent for request with Id 1\.3, error 0$/m);
    await Promise.all(clients.slice(1).map((one) => one.close()));
  });

  const PATH = "/home/living_room/sensors/temperature?unit=fahrenheit";

  it("observe, and stop by the method", async () => {
    const server = await origin("observable");
    const uri = server + PATH;
    const [code, output] = await runProgram(`${HERE}/observe.ts`, uri);
    assertEquals(code, 0, output);
    const values = [...output.matchAll(/^New Value: (\d+)$/gm)].map(([, value]) => Number(value));
    assertEquals(values, [0, 1, 2].map((i) => values[0]! + i));
    assertMatch(output, /^Received notification for the resource at: coap:\S+fahrenheit$/m);
    assertMatch(output, /\nStopped$/);
    const { output: log } = servers.get("observable")!;
    assertMatch(
      log,
      /^Client 127\.0\.0\.1:\d+ has registered for notifications for the URI coap:\S+fahrenheit$/m,
    );
    assertMatch(
      log,
      /^Client 127\.0\.0\.1:\d+ has unregistered from notifications for the URI coap:\S+fahrenheit$/m,
    );
  });

  it("observe, and stop in the listener", async () => {
    const observer = new Program(`${HERE}/observe_until.ts`, await origin("observable") + PATH);
    assertEquals(await observer.ended, 0, observer.output);
    const values = [...observer.output.matchAll(/^New Value: (\d+)$/gm)].map(([, value]) => value);
    assertEquals(values.filter((value) => Number(value) > 70).length, 1, observer.output);
  });
});
