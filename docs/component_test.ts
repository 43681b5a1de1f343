import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { CoAP, CoAPError, type CoAPErrorReason, CoAPOption, CoAPRequest } from "@x/coap";
import { ComponentSimulation, EVENT_NAMES } from "../testing/simulated_components.ts";
import { Settings } from "../lib/component/settings.ts";

const text = readFileSync(new URL("component.md", import.meta.url), "utf8");

/** The rows of the table beneath a heading, without its head; each a list of cells. */
function tableOf(heading: string): string[][] {
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`))!;
  return section.split("\n").filter((line) => line.startsWith("| ")).slice(2)
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

/** The words in code marks, without what follows a name. */
function names(cell: string): string[] {
  return Array.from(cell.matchAll(/`(\w+)[^`]*`/g), ([, name]) => name!);
}

const prototype = CoAP.prototype;
const members = Object.getOwnPropertyNames(prototype).filter((name) => name !== "constructor");
const isAccessor = (of: object, name: string): boolean =>
  Object.getOwnPropertyDescriptor(of, name)?.get !== undefined;

/** A default as the page writes it. */
function written(value: unknown): string {
  if (value instanceof Uint8Array || Array.isArray(value)) {
    return value.length === 0 ? "empty" : "?";
  }
  if (typeof value === "object") return (value as Map<unknown, unknown>).size === 0 ? "empty" : "?";
  return `\`${JSON.stringify(value)}\``;
}

describe("docs/component.md", () => {
  const properties = tableOf("Properties");
  const methods = tableOf("Methods");

  it("has every property with its methods and its default", () => {
    const coap = new CoAP() as unknown as Record<string, unknown>;
    const accessors = members.filter((name) => isAccessor(prototype, name));
    assertEquals(properties.map(([cell]) => names(cell!)[0]).sort(), accessors.sort());
    for (const [cell, forms, , value, meaning] of properties) {
      const [name] = names(cell!) as [string];
      const capital = name[0]!.toUpperCase() + name.slice(1);
      const [get, set, ...more] = names(forms!);
      assertEquals([get!.replace(/^(?:get|is)/, ""), more], [capital, []], name);
      assertEquals(written((coap[get!] as () => unknown).call(coap)), value, name);
      const settable = Object.getOwnPropertyDescriptor(prototype, name)!.set !== undefined;
      assertEquals(set, settable ? `set${capital}` : undefined, name);
      assertEquals(/Read-only$/.test(meaning!), !settable, name);
    }
  });

  it("has every method with its parameters, and its mode", async () => {
    const events = ["addEventListener", "off", "on", "once", "removeEventListener"];
    const forms = properties.flatMap(([, cell]) => names(cell!));
    const others = members.filter((name) =>
      !isAccessor(prototype, name) && !forms.includes(name) && !events.includes(name)
    );
    assertEquals(methods.map(([cell]) => names(cell!)[0]), others.sort());
    for (const name of events) {
      assert(text.includes(`\`${name}`) || text.includes(`.${name}(`), name);
    }
    const coap = new CoAP() as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    for (const [cell, mode] of methods) {
      const [, name, parameters] = /^`(\w+)\((.*)\)`$/.exec(cell!) as unknown as string[];
      const { length } = coap[name!]!;
      assertEquals(length, parameters === "" ? 0 : parameters!.split(", ").length, name);
      if (mode !== "server") continue;
      const error = await coap[name!]!("coap://127.0.0.1/").catch((error) => error);
      assertEquals((error as CoAPError).code, 712, name);
    }
  });

  it("has every event with its fields", async () => {
    const net = new ComponentSimulation();
    const server = await net.listener();
    const client = net.component();
    const seen = new Map<string, Event>();
    for (const coap of [server, client]) {
      for (const name of EVENT_NAMES) coap.on(name, (event: Event) => void seen.set(name, event));
    }
    server.on("Register", (e) => {
      e.accept = true;
      server.responseCode = "2.05";
    });
    await net.run(client.startObserving("coap://127.0.0.1/"));
    await net.run(client.stopObserving("coap://127.0.0.1/"));
    await net.run(client.startObserving("coap://127.0.0.1/"));
    server.once("Register", () => {
      throw new Error("for an Error");
    });
    await net.run(client.startObserving("coap://127.0.0.1/other"));
    await net.close();

    const rows = tableOf("Events");
    assertEquals(rows.map(([cell]) => names(cell!)[0]), [...EVENT_NAMES]);
    for (const [cell, list] of rows) {
      const [name] = names(cell!) as [string];
      const event = seen.get(name)!;
      const own = [
        ...Object.keys(event).filter((key) => key !== "isTrusted"),
        ...Object.getOwnPropertyNames(Object.getPrototypeOf(event)),
      ].filter((key) => key !== "constructor");
      assertEquals(names(list!).sort(), own.sort(), name);
      const assignable = Array.from(list!.matchAll(/`(\w+)`\\\*/g), ([, field]) => field);
      assertEquals(assignable, ASSIGNABLE[name] ?? [], name);
    }
  });

  it("has the fields of the types", () => {
    for (const [cell, list] of tableOf("Types")) {
      const [name] = names(cell!);
      const type = name === "CoAPOption" ? CoAPOption : CoAPRequest;
      assertEquals(type.name, name);
      const own = Object.getOwnPropertyNames(type.prototype).filter((one) => one !== "constructor");
      assertEquals(names(list!).sort(), own.sort(), name);
    }
  });

  it("has every setting with its default", async () => {
    const host = { socket: () => undefined, isOpen: () => false, ownTransport: false };
    const rows = tableOf("Settings");
    assertEquals(
      rows.map(([cell]) => names(cell!)[0]!).sort(),
      new Settings(host).names.sort(),
    );
    for (const [cell, value] of rows) {
      const [name] = names(cell!) as [string];
      const is = await new CoAP().config(name);
      if (value === "") assert(is.length > 0, name); // it differs from platform to platform
      else assertEquals(value === "empty" ? "" : value!.slice(1, -1), is, name);
    }
  });

  it("has every error code with its reason", () => {
    const rows = tableOf("Error codes");
    assertEquals(rows.map(([code]) => Number(code)), Array.from({ length: 13 }, (_, i) => 700 + i));
    for (const [code, reason] of rows) {
      const error = new CoAPError(reason!.slice(1, -1) as CoAPErrorReason, "");
      assertEquals(error.code, Number(code), reason);
    }
  });
});

/** Fields that listeners may assign; what the types say is tested with the events. */
const ASSIGNABLE: Record<string, string[]> = {
  Notification: ["stopObserving"],
  Register: ["accept"],
  Request: ["sendResponse"],
};
