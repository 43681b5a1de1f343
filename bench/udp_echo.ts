/**
 * What the transport contract costs: an echo server on each UDP adapter of the runtime beside the
 * shortest echo server that the runtime allows.
 *
 *     node bench/udp_echo.ts [seconds] [rounds]      bun …      deno run -A --unstable-net …
 *
 * Each server is a process of its own; this one keeps 16 datagrams of 20 bytes outstanding from 4
 * sockets. Generator and server share the machine, so the rate is that of the slower of the two: the
 * processor time of the server per echo is what compares.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Transport } from "../lib/transport/transport.ts";
import { bindUdp } from "../lib/transport/udp.ts";
import { bindWith, type UdpAdapter, udpAdapters } from "../lib/transport/udp_adapters.ts";

type Name = UdpAdapter["name"];

const SOCKETS = 4;
const WINDOW = 16;
const SIZE = 20;
const HOST = "127.0.0.1";

// ------------------------------------------------------------------ servers: each resolves to its port

async function contractServer(name: Name): Promise<number> {
  const adapter = udpAdapters().find((candidate) => candidate.name === name)!;
  const transport: Transport = await bindWith(adapter, { hostname: HOST }, {
    receive: (flow, bytes) => transport.send(flow, bytes),
    turn: () => transport.flush(),
    error: () => {},
  });
  return transport.address.port;
}

/** The runtimes' own objects, as far as the bare servers use them. */
interface Runtimes {
  Bun: {
    udpSocket(options: object): Promise<{
      port: number;
      sendMany(packets: (Uint8Array | number | string)[]): number;
    }>;
  };
  Deno: {
    listenDatagram(options: object): {
      addr: { port: number };
      receive(buffer?: Uint8Array): Promise<[Uint8Array, object]>;
      send(bytes: Uint8Array, to: object): Promise<number>;
    };
  };
}

const bareServers: Record<Name, () => Promise<number>> = {
  "Bun.udpSocket": async () => {
    const { Bun } = globalThis as unknown as Runtimes;
    let queue: (Uint8Array | number | string)[] = [];
    const socket = await Bun.udpSocket({
      hostname: HOST,
      socket: {
        data: (
          _socket: unknown,
          bytes: Uint8Array,
          port: number,
          address: string,
        ) => {
          if (queue.push(bytes, port, address) > 3) return;
          setImmediate(() => {
            socket.sendMany(queue);
            queue = [];
          });
        },
        error: () => {},
      },
    });
    return socket.port;
  },
  "Deno.listenDatagram": async () => {
    const { Deno } = globalThis as unknown as Runtimes;
    const socket = Deno.listenDatagram({
      transport: "udp",
      hostname: HOST,
      port: 0,
    });
    const serve = async (): Promise<void> => {
      for (;;) {
        const [bytes, from] = await socket.receive();
        await socket.send(bytes, from);
      }
    };
    void serve();
    return await Promise.resolve(socket.addr.port);
  },
  "node:dgram": () => {
    const socket = createSocket("udp4");
    socket.on("error", () => {}); // on Bun a closed port of a peer comes here
    socket.on(
      "message",
      (bytes, { port, address }) => socket.send(bytes, port, address),
    );
    return new Promise((resolve) => socket.bind(0, HOST, () => resolve(socket.address().port)));
  },
};

/** Prints the port, then serves until the input ends, then prints the processor time, µs. */
async function serve(kind: string, name: Name): Promise<void> {
  console.log(
    await (kind === "bare" ? bareServers[name]() : contractServer(name)),
  );
  process.stdin.on("end", () => {
    const { user, system } = process.cpuUsage();
    console.log(user + system);
    process.exit();
  });
  process.stdin.resume();
}

// ------------------------------------------------------------------ the generator

interface Sample {
  /** Echoes per second. */
  rate: number;
  /** Processor time of the server per echo, µs; its start, with no more than a few ms, is in it. */
  cost: number;
}

/** Keeps the window full for a time and counts what comes back. */
async function load(port: number, seconds: number): Promise<number> {
  let echoes = 0;
  let running = true;
  const transports: Transport[] = [];
  for (let i = 0; i < SOCKETS; i++) {
    let seen = 0;
    const transport: Transport = await bindUdp({ hostname: HOST }, {
      receive: (flow, bytes) => {
        echoes++;
        seen++;
        if (running) transport.send(flow, bytes);
      },
      turn: () => transport.flush(),
      error: () => {},
    });
    transports.push(transport);
    const fill = (): void => {
      const flow = transport.flow(HOST, port);
      for (let n = 0; n < WINDOW / SOCKETS; n++) {
        transport.send(flow, new Uint8Array(SIZE));
      }
      transport.flush();
    };
    fill();
    // A window that is lost as a whole would end the run.
    let before = -1;
    const watch = setInterval(() => {
      if (seen === before) fill();
      before = seen;
      if (!running) clearInterval(watch);
    }, 200);
  }
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  running = false;
  await Promise.all(transports.map((transport) => transport.close()));
  return echoes;
}

async function measure(
  kind: string,
  name: Name,
  seconds: number,
): Promise<Sample> {
  const deno = "Deno" in globalThis ? ["run", "-A", "--unstable-net", "--no-check"] : [];
  const child = spawn(
    process.execPath,
    [...deno, fileURLToPath(import.meta.url), "serve", kind, name],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  const lines: string[] = [];
  let wake = (): void => {};
  child.stdout.on("data", (data) => {
    lines.push(...String(data).trim().split("\n"));
    wake();
  });
  const line = async (index: number): Promise<number> => {
    while (lines.length <= index) {
      await new Promise<void>((resolve) => wake = resolve);
    }
    return Number(lines[index]);
  };
  const port = await line(0);
  const start = performance.now();
  const echoes = await load(port, seconds);
  const elapsed = (performance.now() - start) / 1000;
  child.stdin.end();
  return { rate: echoes / elapsed, cost: await line(1) / echoes };
}

const median = (values: number[]): number =>
  values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

async function main(seconds: number, rounds: number): Promise<void> {
  console.log("server                          echoes/s   server µs per echo");
  for (const { name } of udpAdapters()) {
    const samples: Record<string, Sample[]> = { bare: [], contract: [] };
    for (let round = 0; round < rounds; round++) {
      for (const kind of ["bare", "contract"]) {
        samples[kind]!.push(await measure(kind, name, seconds));
      }
    }
    for (const [kind, list] of Object.entries(samples)) {
      const rate = Math.round(median(list.map((sample) => sample.rate)));
      const cost = median(list.map((sample) => sample.cost)).toFixed(2);
      console.log(
        `${`${name}, ${kind}`.padEnd(30)} ${`${rate}`.padStart(9)} ${cost.padStart(14)}`,
      );
    }
  }
}

if (process.argv[2] === "serve") {
  await serve(process.argv[3]!, process.argv[4] as Name);
} else await main(Number(process.argv[2] ?? 3), Number(process.argv[3] ?? 3));
