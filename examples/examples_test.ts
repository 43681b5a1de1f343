import { after, before, describe, it } from "node:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { assertEquals, assertMatch } from "@std/assert";
import { CoAPResponse, Router, serve } from "@x/coap";
import { GROUP, groupsMissing } from "../testing/multicast.ts";
import { run } from "../scripts/process.ts";
import { findRuntime, ROOT } from "../scripts/runtimes.mjs";
import { Program, runProgram, ServerProgram } from "../testing/programs.ts";

const noGroups = await groupsMissing("127.0.0.1", GROUP, "127.0.0.1");

describe("examples", () => {
  let server: ServerProgram;
  let origin: string;

  before(async () => {
    server = new ServerProgram("examples/server.ts", "0");
    origin = await server.origin;
  });
  after(() => server.close());

  const client = (path: string, ...args: string[]): Promise<[number | null, string]> =>
    runProgram("examples/client.ts", origin + path, ...args);

  it("client and server put, get and delete", async () => {
    const path = "/store/greeting";
    assertEquals(await client(path), [1, "4.04 Not Found\nNothing of that name"]);
    assertEquals(await client(path, "PUT", "Hello"), [0, "2.01 Created"]);
    assertEquals(await client(path, "put", "Hello again"), [0, "2.04 Changed"]);
    assertEquals(await client(path), [0, "2.05 Content\nHello again"]);
    assertEquals(await client("/store"), [0, '2.05 Content\n["greeting"]']);
    assertEquals(await client(path, "DELETE"), [0, "2.02 Deleted"]);
  });

  it("an observer hears of changes, and of the end", async () => {
    const path = "/store/observed";
    await client(path, "PUT", "first");
    const observer = new Program("examples/observe.ts", origin + path);
    try {
      await observer.prints(/^2\.05 Content first$/m);
      await client(path, "PUT", "second");
      await observer.prints(/^2\.05 Content second$/m);
      await client(path, "DELETE");
      assertEquals(await observer.ended, 1);
      assertMatch(observer.output, /\n4\.04 Not Found Nothing of that name\n$/);
    } finally {
      await observer.close();
    }
  });

  it("an observer tells the server that it leaves, after a number of states and on Ctrl+C", async () => {
    let onLeave = (_reason: string): void => {};
    const left = (): Promise<string> => new Promise((resolve) => onLeave = resolve);
    const local = await serve(
      {
        hostname: "127.0.0.1",
        port: 0,
        onUnobserve: (_, reason) => onLeave(reason),
      },
      new Router().get("/", () => CoAPResponse.text("Hello"), { observable: true }),
    );
    const args = ["examples/observe.ts", `coap://127.0.0.1:${local.address.port}/`] as const;
    const observer = new Program(...args);
    try {
      const first = left();
      assertEquals(await runProgram(...args, "1"), [0, "2.05 Content Hello"]);
      assertEquals(await first, "deregistered");
      if (process.platform === "win32") return; // it knows no SIGINT
      await observer.prints(/^2\.05 Content Hello$/m);
      const second = left();
      observer.interrupt();
      assertEquals(await observer.ended, 0);
      assertEquals(await second, "deregistered");
    } finally {
      await observer.close();
      await local.close();
    }
  });

  it("an observer tells where there is nothing to observe", async () => {
    const [code, output] = await runProgram("examples/observe.ts", `${origin}/uptime`);
    assertEquals(code, 0, output);
    assertMatch(output, /^2\.05 Content \d+\.\d\nIt is not observable$/);
  });

  it("a server's figures are in the text format of Prometheus", async () => {
    const metrics = new ServerProgram("examples/metrics.ts", "0", "0");
    try {
      const uri = await metrics.origin;
      const page = (await metrics.prints(/^http:\S+$/m)).trim();
      assertEquals((await runProgram("examples/client.ts", uri))[0], 0);
      const response = await fetch(page);
      assertMatch(response.headers.get("content-type")!, /^text\/plain/);
      const text = await response.text();
      // Each has a line that says what it is, and one with its value.
      assertMatch(text, /^(?:# TYPE ([a-z_]+) (?:counter|gauge)\n\1 \d+\n)+$/);
      const valueOf = (name: string): number =>
        Number(new RegExp(`^coap_server_${name} (\\d+)$`, "m").exec(text)?.[1]);
      assertEquals(valueOf("requests_served_total"), 1);
      assertEquals(valueOf("rejected_malformed_total"), 0);
      assertEquals(valueOf("peers"), 1);
      assertMatch(text, /^coap_server_received_bytes_total [1-9]/m);
      for (const [, name, type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
        assertEquals(name!.endsWith("_total"), type === "counter", name);
      }
    } finally {
      await metrics.close();
    }
  });

  it("the client tells what went wrong", async () => {
    const [code, output] = await runProgram("examples/client.ts", "coaps://127.0.0.1/");
    assertEquals(code, 2);
    assertMatch(output, /^unsupported-scheme: .*"coaps:\/\/127\.0\.0\.1\/"/);
  });
});

describe("README.md", () => {
  const folder = join(ROOT, `.cache/readme-${process.pid}`);
  const text = readFileSync(join(ROOT, "README.md"), "utf8");
  const blocks = new Map(
    Array.from(
      text.matchAll(/<!-- example: (\w+) -->\s*```ts ignore\n([\s\S]*?)```/g),
      ([, name, code]) => [name!, code!],
    ),
  );
  let server: ServerProgram;

  /** Writes a block where imports of the library work, for a server at `origin`. */
  function write(name: string, origin: string, edit = (code: string): string => code): string {
    const path = join(folder, `${name}.ts`);
    const code = edit(blocks.get(name)!)
      .replaceAll(/coap:\/\/127\.0\.0\.1(?=[/"])/g, origin)
      .replaceAll("127.0.0.1:5683", origin.replace("coap://", ""))
      .replace(/port: 568\d/, "port: 0")
      .replace("timeout: 10_000", "timeout: 500");
    writeFileSync(path, code);
    return path;
  }

  before(() => {
    mkdirSync(folder, { recursive: true });
    server = new ServerProgram(write("server", ""));
  });
  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("has a name for every block of code", () => {
    assertEquals(
      [...blocks.keys()],
      [
        "client",
        "server",
        "observe",
        "bodies",
        "discovery",
        "streams",
        "group",
        "cache",
        "proxy",
        "gateway",
        "errors",
      ],
    );
    assertEquals(text.match(/```ts/g)?.length, blocks.size);
  });

  it("shows programs without errors of types", async () => {
    const paths = Array.from(blocks.keys(), (name) => write(name, "coap://127.0.0.1"));
    const { code, output } = await run(findRuntime("deno")!, ["check", "--quiet", ...paths], {
      cwd: ROOT,
    });
    assertEquals(code, 0, output);
  });

  const runBlock = async (
    name: string,
    edit?: (code: string) => string,
  ): Promise<[number | null, string]> => runProgram(write(name, await server.origin, edit));

  it("shows programs that do what it says", async () => {
    assertEquals(await runBlock("client"), [0, "2.05 21.5"]);
    assertEquals(await runBlock("gateway"), [0, "200 max-age=10 21.5"]);
    const [code, output] = await runBlock("discovery");
    assertEquals(code, 0, output);
    assertMatch(output, /^\/sensors\/temperature [\s\S]*"rt", "temperature"|'rt', 'temperature'/);
    assertEquals(await runBlock("errors"), [0, "Changed"]);
    assertEquals(await runBlock("client"), [0, "2.05 22.5"]);
    assertEquals(await runBlock("bodies"), [0, "100000"]);
    assertEquals(await runBlock("streams"), [0, "Hello over coap+tcp"]);
  });

  it("shows an observer and a cache", async () => {
    const observer = new Program(write("observe", await server.origin));
    try {
      await observer.prints(/^22\.5$/m);
      await runBlock("errors", (code) => code.replace('"22.5"', '"31"'));
      assertEquals([await observer.ended, observer.output], [0, "22.5\n31\n"]);
    } finally {
      await observer.close();
    }
    const count = "new CoAPClient({ onMessage: ({ direction }) => console.log(direction),";
    const [code, output] = await runBlock(
      "cache",
      (code) => code.replace("new CoAPClient({", count),
    );
    assertEquals(code, 0, output);
    assertMatch(output, /^out\nin\n31 good for 10 s\n31 good for \d s$/);
  });

  it("shows proxies", async () => {
    const origin = await server.origin;
    const gateway = new ServerProgram(write("proxy", origin));
    try {
      const uri = await gateway.origin;
      const through = (proxy: string) => (code: string): string =>
        code.replace("new CoAPClient()", `new CoAPClient({ proxy: "${proxy}" })`);
      assertEquals(await runBlock("client", through(uri)), [0, "2.05 31"]);
      const [code, output] = await runProgram("examples/client.ts", `${uri}/kitchen/temperature`);
      assertEquals([code, output], [0, "2.05 Content\n31"]);
      const elsewhere = (code: string): string =>
        through(uri)(code.replace("coap://127.0.0.1", "coap://127.0.0.2"));
      assertMatch((await runBlock("client", elsewhere))[1], /^5\.05/);
    } finally {
      await gateway.close();
    }
  });

  it("shows a request to a group", { skip: noGroups }, async () => {
    const via = `hostname: "127.0.0.1"`;
    const joined = `multicast: [{ group: "${GROUP}", interface: "127.0.0.1" }]`;
    const leisure = "parameters: { defaultLeisure: 20 }";
    const member = new ServerProgram(
      write("server", "", (code) => code.replace(via, `${via}, ${joined}, ${leisure}`)),
    );
    try {
      const { port } = new URL(await member.origin);
      const options = `{ ${via}, multicastInterface: "127.0.0.1" }`;
      const edit = (code: string): string =>
        code.replace("CoAPClient()", `CoAPClient(${options})`).replace(GROUP, `${GROUP}:${port}`)
          .replace("group(uri)", "group(uri, { timeout: 500 })");
      assertEquals(await runBlock("group", edit), [0, "127.0.0.1 21.5"]);
    } finally {
      await member.close();
    }
  });

  it("shows what comes where nobody answers", async () => {
    const path = write("errors", await server.origin);
    await server.close();
    const [, failure] = await runProgram(path);
    assertMatch(failure, /^No response: (timeout|refused)$/);
  });
});
