import { after, before, describe, it } from "node:test";
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { assertEquals, assertMatch } from "@std/assert";
import { CoAPResponse, Router, serve, type Server } from "@x/coap";
import { findRuntime, ROOT } from "../../scripts/runtimes.mjs";
import { EventReader } from "../../testing/event_reader.ts";

const HOST = "127.0.0.1";
const NO_UDP = join(ROOT, "testing/no_udp.ts");
const JOB = join(ROOT, "examples/edge/job.ts");

/** Nobody listens at it. */
const NOBODY = `${HOST}:1`;

/** How the runtimes run the job, with no more than it states: what Deno may reach are the sensors. */
const RUNTIMES: Record<"deno" | "bun", (sensors: string[]) => string[]> = {
  deno: (sensors) => [
    "serve",
    "--no-prompt",
    `--host=${HOST}`,
    "--port=0",
    `--allow-net=${sensors.join(",")}`,
    "--allow-env=SENSORS",
    `--preload=${NO_UDP}`,
    JOB,
  ],
  bun: () => [`--preload=${NO_UDP}`, JOB],
};

/** The port that a server program says it listens at. */
function portOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    const timer = setTimeout(() => reject(new Error(`It does not listen:\n${output}`)), 30_000);
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        const port = /http:\/\/[\w.]+:(\d+)/.exec(output)?.[1];
        if (port === undefined) return;
        clearTimeout(timer);
        resolve(port);
      });
    }
    child.once("close", () => {
      clearTimeout(timer);
      reject(new Error(`It has ended:\n${output}`));
    });
  });
}

for (const runtime of ["deno", "bun"] as const) {
  const program = findRuntime(runtime);
  const skip = program === undefined ? `${runtime} is not installed` : false;

  describe(`examples/edge/job.ts on ${runtime}, without UDP`, { skip }, () => {
    let server: Server;
    let child: ChildProcess;
    let origin: string;
    let temperature = "21.5";
    let observers = 0;
    let onLeave = (_reason: string): void => {};

    before(async () => {
      const router = new Router().get(
        "/temperature",
        () => CoAPResponse.text(temperature, { maxAge: 0 }),
        { observable: true },
      );
      server = await serve({
        hostname: HOST,
        udp: false,
        tcp: { port: 0 },
        onObserve: () => ++observers > 0,
        onUnobserve: (_, reason) => onLeave(reason),
      }, router);
      const hosts = [`${HOST}:${server.addresses.tcp!.port}`, NOBODY];
      child = spawn(program!, RUNTIMES[runtime](hosts), {
        cwd: ROOT,
        env: {
          ...process.env,
          NO_COLOR: "1",
          PORT: "0",
          SENSORS: `attic=coap+tcp://${
            hosts[0]
          } cellar=coap+tcp://${NOBODY} garden=coap://${NOBODY}`,
        },
        stdio: ["ignore", "pipe", "pipe"],
      });
      origin = `http://${HOST}:${await portOf(child)}`;
    });
    after(async () => {
      const ended = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGKILL");
      await ended;
      await server.close();
    });

    it("tells what the sensors say, and which can not be reached", async () => {
      const response = await fetch(origin);
      assertEquals(await response.json(), {
        attic: 21.5,
        cellar: "refused",
        garden: "transport", // that would be UDP
      });
    });

    it("is a gateway to each of them", async () => {
      const got = await fetch(`${origin}/attic/temperature`);
      assertEquals([got.status, await got.text()], [200, "21.5"]);
      const list = await fetch(`${origin}/attic/.well-known/core`);
      assertMatch(await list.text(), /^<\/temperature>/);
      const gone = await fetch(`${origin}/cellar/temperature`);
      assertEquals([gone.status, await gone.text()], [502, "Origin server can not be reached\n"]);
      const put = await fetch(`${origin}/attic/temperature`, { method: "PUT", body: "1" });
      assertEquals([put.status, put.headers.get("allow"), await put.text()], [
        405,
        "GET, HEAD",
        "Method is not allowed\n",
      ]);
      const other = await fetch(`${origin}/other/temperature`);
      assertEquals([other.status, await other.text()], [404, "Not found\n"]);
    });

    it("shows them as they change", async () => {
      const left = new Promise<string>((resolve) => onLeave = resolve);
      observers = 0;
      const readers = [new EventReader(), new EventReader()];
      for (const reader of readers) {
        await reader.open(`${origin}/attic/temperature`);
        assertEquals(await reader.next(), "21.5");
      }
      temperature = "22";
      server.notify("/temperature");
      for (const reader of readers) assertEquals(await reader.next(), "22");
      assertEquals(observers, 1);
      for (const reader of readers) reader.close();
      assertEquals(await left, "deregistered");
    });
  });
}
