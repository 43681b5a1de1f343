import { afterEach, beforeEach, describe, it } from "node:test";
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { ComponentSimulation } from "../../testing/simulated_components.ts";
import { CoAPError } from "../errors.ts";
import { CoAP } from "./coap.ts";
import { CoAPOption, CoAPOptionList } from "./option_list.ts";
import { CoAPRequestMap } from "./request_map.ts";

const EMPTY = new Uint8Array(0);

/** A list with one option. */
function listOf(number: number, value: string): CoAPOptionList {
  const list = new CoAPOptionList();
  list.add(new CoAPOption(number, value));
  return list;
}

interface Property {
  /** The accessor's name; that of its methods follows from it. */
  name: Exclude<keyof CoAP, symbol>;
  boolean?: true;
  default: unknown;
  /** Values that are read as they were set. */
  valid: unknown[];
  /** Values that are read as something else. */
  converted?: [set: unknown, read: unknown][];
  /** Values that are refused, and with what. */
  invalid: [value: unknown, error: new (...args: never[]) => Error, code?: number][];
}

const codes = ["", "2.00", "2.05", "2.31", "3.00", "4.04", "5.31", "6.07", "7.31"];
const noCodes = ["1.00", "0.01", "8.00", "2.32", "2.5", "2.055", "205", " 2.05", "x", 205];

/** The properties that can be set, as the contract has them. */
const PROPERTIES: Property[] = [
  {
    name: "localHost",
    default: "",
    valid: ["127.0.0.1", "localhost", ""],
    invalid: [[7, TypeError]],
  },
  {
    name: "localPort",
    default: 0,
    valid: [1, 5683, 65_535, 0],
    invalid: [[-1, RangeError], [65_536, RangeError], [1.5, RangeError], [NaN, RangeError]],
  },
  ...(["request", "response"] as const).flatMap((group): Property[] => [
    {
      name: `${group}ContentFormat`,
      default: -1,
      valid: [0, 50, 65_535, -1],
      converted: [["", -1]],
      invalid: [[-2, RangeError], [65_536, RangeError], [0.5, RangeError], [NaN, RangeError]],
    },
    {
      name: `${group}Data`,
      default: EMPTY,
      valid: [Uint8Array.of(1, 2, 3), EMPTY],
      converted: [["é", Uint8Array.of(0xc3, 0xa9)], ["", EMPTY]],
      invalid: [[7, TypeError], [null, TypeError]],
    },
    {
      name: `${group}ETag`,
      default: EMPTY,
      valid: [Uint8Array.of(1), new Uint8Array(8), EMPTY],
      invalid: [[new Uint8Array(9), RangeError], ["01", TypeError]],
    },
    {
      name: `${group}Options`,
      default: new CoAPOptionList(),
      valid: [listOf(17, "50"), new CoAPOptionList()],
      invalid: [[[], TypeError], [undefined, TypeError]],
    },
  ]),
  {
    name: "responseCode",
    default: "",
    valid: codes,
    invalid: noCodes.map((code) => [code, CoAPError, 707]),
  },
  {
    name: "timeout",
    default: 60,
    valid: [0, 0.5, 93, Infinity],
    invalid: [[-1, RangeError], [NaN, RangeError], ["1", RangeError]],
  },
  {
    name: "useConfirmableMessages",
    boolean: true,
    default: true,
    valid: [false, true],
    invalid: [["false", TypeError], [0, TypeError], [undefined, TypeError]],
  },
];

/** An object as a bag of what it has. */
type Bag = Record<string, unknown>;
const bag = (coap: CoAP): Bag => coap as unknown as Bag;

function methodsOf({ name, boolean }: Property): { get: string; set: string } {
  const capital = `${name[0]!.toUpperCase()}${name.slice(1)}`;
  return { get: `${boolean ? "is" : "get"}${capital}`, set: `set${capital}` };
}

/** A property in both forms. */
function forms(coap: CoAP, property: Property) {
  const { get, set } = methodsOf(property);
  return [
    {
      form: "accessor",
      read: () => bag(coap)[property.name],
      write: (value: unknown) => void (bag(coap)[property.name] = value),
    },
    {
      form: "methods",
      read: () => (bag(coap)[get] as () => unknown).call(coap),
      write: (value: unknown) => (bag(coap)[set] as (value: unknown) => void).call(coap, value),
    },
  ];
}

describe("the properties of CoAP", () => {
  for (const property of PROPERTIES) {
    const { name } = property;

    it(`${name} has its default in both forms`, () => {
      for (const { form, read } of forms(new CoAP(), property)) {
        assertEquals(read(), property.default, form);
      }
    });

    it(`${name} is one state in both forms`, () => {
      const coap = new CoAP();
      const both = forms(coap, property);
      for (const writer of both) {
        for (const value of property.valid) {
          writer.write(value);
          for (const reader of both) assertStrictEquals(reader.read(), value, reader.form);
        }
        for (const [given, value] of property.converted ?? []) {
          writer.write(given);
          for (const reader of both) assertEquals(reader.read(), value, reader.form);
        }
      }
    });

    it(`${name} refuses what is out of range and keeps its value`, () => {
      const coap = new CoAP();
      for (const { form, read, write } of forms(coap, property)) {
        const before = property.valid[0];
        write(before);
        for (const [value, type, code] of property.invalid) {
          const error = assertThrows(() => write(value), type, undefined, `${form} ${value}`);
          if (code !== undefined) assertEquals((error as CoAPError).code, code);
          assertStrictEquals(read(), before, form);
        }
      }
    });
  }

  it("listening is read-only", () => {
    const coap = new CoAP();
    assertEquals([coap.listening, coap.isListening()], [false, false]);
    assertThrows(() => Object.assign(coap, { listening: true }), TypeError);
  });

  it("pendingRequests is a read-only map", () => {
    const coap = new CoAP();
    const { pendingRequests } = coap;
    assert(pendingRequests instanceof CoAPRequestMap);
    assertStrictEquals(coap.getPendingRequests(), pendingRequests);
    assertEquals([pendingRequests.size, [...pendingRequests], pendingRequests.get("1")], [
      0,
      [],
      undefined,
    ]);
    assertThrows(() => Object.assign(coap, { pendingRequests: new Map() }), TypeError);
    for (const name of ["set", "delete", "clear"]) assert(!(name in pendingRequests));
  });

  it("there are no others, and no other methods", () => {
    const expected = [
      "listening",
      "isListening",
      "pendingRequests",
      "getPendingRequests",
      ...PROPERTIES.flatMap((property) => {
        const { get, set } = methodsOf(property);
        return [property.name, get, set];
      }),
      ...METHODS,
    ];
    const own = Object.getOwnPropertyNames(CoAP.prototype).filter((name) => name !== "constructor");
    assertEquals(own.sort(), (expected as string[]).sort());
    assert(new CoAP() instanceof EventTarget);
    assertEquals(typeof CoAP.prototype[Symbol.asyncDispose], "function");
  });
});

/** The methods that belong to no property. */
const METHODS = [
  "addEventListener",
  "cancelRequest",
  "config",
  "delete",
  "doEvents",
  "get",
  "off",
  "on",
  "once",
  "post",
  "put",
  "removeEventListener",
  "reset",
  "sendCustomRequest",
  "sendNotification",
  "sendResponse",
  "shutdown",
  "startListening",
  "startObserving",
  "stopListening",
  "stopObserving",
];

describe("the properties of CoAP while a socket is open", () => {
  let net: ComponentSimulation;
  beforeEach(() => {
    net = new ComponentSimulation();
  });
  afterEach(() => net.close());

  it("localHost and localPort show what is bound, and can not be set", async () => {
    const server = net.component();
    await server.startListening();
    assertEquals(server.localHost, "127.0.0.1");
    assert(server.localPort > 0);
    for (const act of [() => server.localPort = 1, () => server.setLocalHost("")]) {
      assertEquals((assertThrows(act, CoAPError) as CoAPError).code, 712);
    }
    await server.stopListening();
    assertThrows(() => server.localPort = 1, CoAPError, "LocalPort");
    await server.shutdown();
    assertEquals([server.localHost, server.localPort], ["", 0]);
    server.localPort = 1;
    assertEquals(server.localPort, 1);
  });

  it("the same as a client", async () => {
    await net.listener();
    const client = net.component();
    client.localPort = 40_000;
    const done = net.run(client.get("coap://server/"));
    assertThrows(() => client.localPort = 1, CoAPError, "LocalPort"); // it is about to be bound
    await done;
    assertEquals([client.localHost, client.localPort], ["127.0.0.1", 40_000]);
    assertThrows(() => client.localPort = 1, CoAPError, "LocalPort");
    await client.shutdown();
    client.localPort = 1;
  });

  it("can be set again where nothing could be bound", async () => {
    await net.listener();
    const client = net.component();
    client.localPort = 5683;
    const error = await net.run(client.get("coap://server/").catch((error) => error));
    assertEquals([error.code, error.reason], [0, "transport"]);
    client.localPort = 0;
    assertEquals(await net.run(client.get("coap://server/")), "");
  });

  it("reset restores every property and every setting", async () => {
    const coap = net.component();
    for (const property of PROPERTIES) {
      bag(coap)[property.name] = property.valid.find((value) => value !== property.default);
    }
    coap.localHost = "127.0.0.1";
    await coap.config("LogLevel=3");
    await coap.startListening();
    await coap.reset();
    for (const property of PROPERTIES) {
      assertEquals(bag(coap)[property.name], property.default, property.name);
    }
    assertEquals([coap.listening, await coap.config("LogLevel")], [false, "1"]);
  });
});
