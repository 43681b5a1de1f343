import { after, before, describe, it } from "node:test";
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { assertEquals, assertMatch } from "@std/assert";
import { CoAPResponse, Router, serve, type Server } from "@x/coap";
import { findRuntime, ROOT } from "../../scripts/runtimes.mjs";
import { EventReader } from "../../testing/event_reader.ts";
import { noUpgrades, upgradeFor, type UpgradingServer } from "../../testing/web_socket_server.ts";

const HOST = "127.0.0.1";
const JOB = join(ROOT, "examples/edge/job.ts");
/** The same after what takes UDP away. */
const WITHOUT_UDP = join(ROOT, "testing/edge_job.ts");
const CONFIG = join(ROOT, "examples/edge/deno.json"); // without the unstable features of the repository's own

/** Nobody listens at it. */
const NOBODY = `${HOST}:1`;

/** A way to run the job. */
interface Way {
  name: string;
  runtime: "deno" | "bun";
  file: string;
}

const WAYS: readonly Way[] = [
  { name: "by deno serve, with no more than it states", runtime: "deno", file: JOB },
  { name: "by deno serve, where node:dgram throws", runtime: "deno", file: WITHOUT_UDP },
  { name: "by Bun, where UDP throws", runtime: "bun", file: WITHOUT_UDP },
];

/** How it is run: what Deno may reach are the sensors. */
function argumentsOf({ runtime, file }: Way, sensors: readonly string[]): string[] {
  if (runtime === "bun") return [file];
  const allowed = [`--allow-net=${sensors.join(",")}`, "--allow-env=SENSORS"];
  const options = ["--no-prompt", `--host=${HOST}`, "--port=0", `--config=${CONFIG}`];
  return ["serve", ...options, ...allowed, file];
}

/** A server program that says where it listens. */
class Job {
  readonly #child: ChildProcess;
  output = "";
  /** Its port, as soon as it has said it. */
  readonly port: Promise<string>;

  constructor(program: string, args: readonly string[], sensors: string) {
    const env = { ...process.env, NO_COLOR: "1", PORT: "0", SENSORS: sensors };
    this.#child = spawn(program, args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
    this.port = new Promise((resolve, reject) => {
      const fail = (why: string): void => reject(new Error(`${why}:\n${this.output}`));
      const timer = setTimeout(() => fail("It does not listen"), 30_000);
      this.#child.once("close", () => (clearTimeout(timer), fail("It has ended")));
      for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
        stream.setEncoding("utf8").on("data", (text: string) => {
          this.output += text;
          const port = /http:\/\/[\w.]+:(\d+)/.exec(this.output)?.[1];
          if (port === undefined) return;
          clearTimeout(timer);
          resolve(port);
        });
      }
    });
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }
}

const upgrades = await noUpgrades() ?? false;

for (const way of WAYS) {
  const program = findRuntime(way.runtime);
  const skip = program === undefined ? `${way.runtime} is not installed` : upgrades;

  describe(`examples/edge/job.ts ${way.name}`, { skip }, () => {
    let server: Server;
    let sockets: UpgradingServer;
    let job: Job;
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
        ws: true,
        onObserve: () => ++observers > 0,
        onUnobserve: (_, reason) => onLeave(reason),
      }, router);
      sockets = await upgradeFor(server);
      const [tcp, ws] = [`${HOST}:${server.addresses.tcp!.port}`, `${HOST}:${sockets.port}`];
      const there = `attic=coap+tcp://${tcp} cellar=coap+ws://${ws}`;
      const sensors = `${there} garden=coap+tcp://${NOBODY} shed=coap://${NOBODY}`;
      job = new Job(program!, argumentsOf(way, [tcp, ws, NOBODY]), sensors);
      origin = `http://${HOST}:${await job.port}`;
    });
    after(async () => {
      await job?.close();
      await server.close();
      await sockets.close();
    });

    it("tells what the sensors say, and which can not be reached", async () => {
      const response = await fetch(origin);
      assertEquals(await response.json(), {
        attic: 21.5,
        cellar: 21.5,
        garden: "refused",
        shed: "transport", // that would be UDP
      });
      assertEquals(/^UDP was asked for$/m.test(job.output), way.file === WITHOUT_UDP);
    });

    it("is a gateway to each of them", async () => {
      for (const sensor of ["attic", "cellar"]) {
        const got = await fetch(`${origin}/${sensor}/temperature`);
        assertEquals([got.status, await got.text()], [200, "21.5"]);
        const list = await fetch(`${origin}/${sensor}/.well-known/core`);
        assertMatch(await list.text(), /^<\/temperature>/);
      }
      const gone = await fetch(`${origin}/garden/temperature`);
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

    for (const sensor of ["attic", "cellar"]) {
      it(`shows the ${sensor} as it changes, to all by one observation`, async () => {
        const left = new Promise<string>((resolve) => onLeave = resolve);
        observers = 0;
        const before = temperature;
        const readers = [new EventReader(), new EventReader()];
        for (const reader of readers) {
          await reader.open(`${origin}/${sensor}/temperature`);
          assertEquals(await reader.next(), before);
        }
        temperature += "1";
        server.notify("/temperature");
        for (const reader of readers) assertEquals(await reader.next(), temperature);
        assertEquals(observers, 1);
        for (const reader of readers) reader.close();
        assertEquals(await left, "deregistered");
      });
    }
  });
}
