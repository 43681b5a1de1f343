/** Takes UDP away, as edge platforms do, and says so where somebody asks for it: to be loaded first. @module */

import process from "node:process";

interface Runtime {
  Bun?: { udpSocket?: unknown };
  Deno?: { listenDatagram?: unknown };
}

const { Bun, Deno } = globalThis as Runtime;
const refuse = (): never => {
  console.error("UDP was asked for");
  throw new Error("There is no UDP here");
};
if (Bun !== undefined) Object.defineProperty(Bun, "udpSocket", { value: refuse });
if (Deno?.listenDatagram !== undefined) throw new Error("It was started with --unstable-net");
const getBuiltinModule = process.getBuiltinModule;
process.getBuiltinModule =
  ((name: string) =>
    /^(?:node:)?dgram$/.test(name) ? refuse() : getBuiltinModule(name)) as typeof getBuiltinModule;
