import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
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

/** The comment of each member in the class. */
const comments = new Map(
  Array.from(
    readFileSync(new URL("../lib/component/coap.ts", import.meta.url), "utf8").matchAll(
      /^ {2}\/\*\*((?:(?!\*\/).)*)\*\/\n {2}(?:override |async )*(?:get )?([\w.[\]]+)[<(]/gms,
    ),
    ([, comment, name]) => [name!, comment!.replace(/^ *\* ?/gm, "")],
  ),
);

/** A class that can be made, with its comment. */
const CLASS = /^\/\*\*((?:(?!\*\/).)*)\*\/\nexport class (\w+)/gms;

/** The numbers of errors in a text. */
const numbersIn = (words: string): string[] => words.match(/\b7(?:0\d|1[0-2])\b/g) ?? [];

describe("docs/component.md", () => {
  const properties = tableOf("Properties");
  const methods = tableOf("Methods");
  const events = ["addEventListener", "off", "on", "once", "removeEventListener"];

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
      if (mode === "client") continue;
      if (!HARMLESS.includes(name!)) {
        assertEquals(await codeOf(coap, name!) === 712, mode === "server");
      }
    }
    const net = new ComponentSimulation();
    const server = await net.listener() as unknown as typeof coap;
    for (const [cell, mode] of methods) {
      const [name] = names(cell!) as [string];
      if (!HARMLESS.includes(name)) {
        assertEquals(await codeOf(server, name) === 712, mode === "client");
      }
    }
    await net.close();
  });

  it("has the ranges of the properties", () => {
    for (const [cell, , type] of properties) {
      const [name] = names(cell!) as [string];
      const coap = new CoAP() as unknown as Record<string, unknown>;
      const refuses = (value: unknown): void =>
        void assertThrows(() => void (coap[name] = value), Error, undefined, `${name} ${value}`);
      const range = /^(-?\d+) to (\d+)$/.exec(type!)?.slice(1).map(Number);
      const [words] = type!.split(",") as [string];
      if (range !== undefined) {
        for (const value of range) coap[name] = value;
        refuses(range[0]! - 1);
        refuses(range[1]! + 1);
      } else if (type === "seconds, at least 0") refuses(-1);
      else if (type === '`"2.00"` to `"7.31"`, or `""`') {
        for (const value of ["2.00", "7.31", ""]) coap[name] = value;
        for (const value of ["1.31", "8.00", "2.32"]) refuses(value);
      } else if (words.startsWith("`")) {
        assertEquals(`\`${coap[name]!.constructor.name}\``, words, name);
        if (type!.endsWith("8 bytes")) refuses(new Uint8Array(9));
      } else assertEquals(typeof coap[name], words, name);
    }
  });

  it("says what the comments in the code say", () => {
    for (const [cell, forms, , value, meaning] of properties) {
      const [name] = names(cell!) as [string];
      const comment = comments.get(name)!;
      const [, braces, empty] = /@default (?:\{(.+)\}|an (empty) (?:array|list|map))$/m.exec(
        comment,
      )!;
      assertEquals(braces === undefined ? empty : `\`${braces}\``, value, name);
      const [get, set] = names(forms!);
      assertEquals(comments.get(get!)!.trim(), `The same as {@linkcode CoAP.${name}}.`);
      if (set === undefined) continue;
      assertEquals(comments.get(set)!.trim(), `The same as setting {@linkcode CoAP.${name}}.`);
      assertMatch(comment, /^@throws /m, name);
      for (const number of numbersIn(meaning!)) assert(numbersIn(comment).includes(number), name);
    }
    for (const [cell, , meaning] of methods) {
      const [name] = names(cell!) as [string];
      const comment = comments.get(name)!;
      for (const number of numbersIn(meaning!)) assert(numbersIn(comment).includes(number), name);
    }
    const all = [...[...properties, ...methods].map(([cell]) => names(cell!)[0]!), ...events];
    for (const name of [...all, "[Symbol.asyncDispose]"]) {
      assertMatch(comments.get(name)!, /^@example \w.*\n```ts\n[^]+\n```/m, name);
    }
    const types = ["events", "option_list", "request_map"].map((name) =>
      readFileSync(new URL(`../lib/component/${name}.ts`, import.meta.url), "utf8")
    ).join("");
    for (const [, comment, name] of types.matchAll(CLASS)) {
      assert(comment!.includes("@example "), name);
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
    const inCode = readFileSync(new URL("../lib/errors.ts", import.meta.url), "utf8")
      .matchAll(/^ \* \| (`[\w-]+`) \| (\d+) \|/gm);
    assertEquals(
      rows.map(([code, reason]) => [code, reason]),
      Array.from(inCode, ([, reason, code]) => [code, reason]),
    );
    assertEquals(rows.map(([code]) => Number(code)), Array.from({ length: 13 }, (_, i) => 700 + i));
    for (const [code, reason] of rows) {
      const error = new CoAPError(reason!.slice(1, -1) as CoAPErrorReason, "");
      assertEquals(error.code, Number(code), reason);
    }
  });
});

/** Methods whose outcome does not tell the mode, or that change it. */
const HARMLESS = ["config", "doEvents", "reset", "shutdown", "startListening"];

/** The number of the error with which a method fails that is given an argument fit for it. */
async function codeOf(
  coap: Record<string, (...args: unknown[]) => Promise<unknown>>,
  name: string,
): Promise<number | undefined> {
  const error = await coap[name]!("coap://127.0.0.1/", 5).catch((error) => error);
  return (error as CoAPError | undefined)?.code;
}

/** Fields that listeners may assign; what the types say is tested with the events. */
const ASSIGNABLE: Record<string, string[]> = {
  Notification: ["stopObserving"],
  Register: ["accept"],
  Request: ["sendResponse"],
};
