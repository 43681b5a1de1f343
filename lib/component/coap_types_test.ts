import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../scripts/process.ts";
import { findRuntime, ROOT } from "../../scripts/runtimes.mjs";
import { EVENT_NAMES } from "../../testing/simulated_components.ts";
import { failure } from "../../testing/simulated_endpoints.ts";
import { CoAP } from "./coap.ts";
import type {
  CoAPEventMap,
  CoAPEventName,
  CoAPListener,
  CoAPRequestCompleteEvent,
} from "./events.ts";
import type { CoAPOptionList } from "./option_list.ts";
import type { CoAPRequestMap } from "./request_map.ts";

/** The fields of the events, as the documents of such a component write them. */
interface Fields {
  Error: { readonly errorCode: number; readonly description: string };
  Log: { readonly logLevel: number; readonly message: string };
  Notification: { readonly URI: string; readonly isLatest: boolean; stopObserving: boolean };
  Register: Target & Token & { readonly URI: string; accept: boolean };
  Request: Target & Token & {
    readonly method: number;
    readonly requestId: string;
    sendResponse: boolean;
  };
  RequestComplete: Completion & { readonly method: number; readonly URI: string };
  ResponseComplete: Completion;
  Unregistered: Target & { readonly URI: string };
}

interface Target {
  readonly remoteHost: string;
  readonly remotePort: number;
  readonly URIHost: string;
  readonly URIPort: number;
  readonly URIPath: string;
  readonly URIQuery: string;
}

interface Token {
  readonly token: string;
  readonly tokenB: Uint8Array;
}

interface Completion {
  readonly requestId: string;
  readonly errorCode: number;
  readonly errorDescription: string;
}

/** Fields with the objects themselves, and what every event has. */
type Beyond = keyof Event | "error" | "request" | "response";

/** Whether two types are the same, `readonly` and `any` included. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;

/** A type with its parts written out, so that it can be compared. */
type Flat<T> = { [Key in keyof T]: T[Key] };

/** A function that takes a name and a listener, seen as for one of the events. */
type ListenerOf<Name extends CoAPEventName> = (event: CoAPEventMap[Name]) => unknown;

/** The methods, as the documents write them. */
interface Methods {
  isListening(): boolean;
  getPendingRequests(): CoAPRequestMap;
  getLocalHost(): string;
  setLocalHost(value: string): void;
  getLocalPort(): number;
  setLocalPort(value: number): void;
  getRequestContentFormat(): number;
  setRequestContentFormat(value: number): void;
  getRequestData(): Uint8Array;
  setRequestData(value: Uint8Array): void;
  getRequestETag(): Uint8Array;
  setRequestETag(value: Uint8Array): void;
  getRequestOptions(): CoAPOptionList;
  setRequestOptions(value: CoAPOptionList): void;
  getResponseCode(): string;
  setResponseCode(value: string): void;
  getResponseContentFormat(): number;
  setResponseContentFormat(value: number): void;
  getResponseData(): Uint8Array;
  setResponseData(value: Uint8Array): void;
  getResponseETag(): Uint8Array;
  setResponseETag(value: Uint8Array): void;
  getResponseOptions(): CoAPOptionList;
  setResponseOptions(value: CoAPOptionList): void;
  getTimeout(): number;
  setTimeout(value: number): void;
  isUseConfirmableMessages(): boolean;
  setUseConfirmableMessages(value: boolean): void;
  cancelRequest(requestId: string): Promise<void>;
  config(text: string): Promise<string>;
  delete(uri: string): Promise<string>;
  doEvents(): Promise<void>;
  get(uri: string): Promise<string>;
  post(uri: string): Promise<string>;
  put(uri: string): Promise<string>;
  reset(): Promise<void>;
  sendCustomRequest(uri: string, method: number): Promise<string>;
  sendNotification(uri: string): Promise<void>;
  sendResponse(requestId: string): Promise<void>;
  shutdown(): Promise<void>;
  startListening(): Promise<void>;
  startObserving(uri: string): Promise<string>;
  stopListening(): Promise<void>;
  stopObserving(uri: string): Promise<void>;
}

describe("types of the component", () => {
  it("are those of the documents, no more and no less", () => {
    const same: {
      [Name in CoAPEventName]: [
        Same<Flat<Omit<CoAPEventMap[Name], Beyond>>, Flat<Fields[Name]>>,
        Same<CoAPListener<Name>, ListenerOf<Name>>,
      ];
    } = {
      Error: [true, true],
      Log: [true, true],
      Notification: [true, true],
      Register: [true, true],
      Request: [true, true],
      RequestComplete: [true, true],
      ResponseComplete: [true, true],
      Unregistered: [true, true],
    };
    const names: Same<CoAPEventName, keyof Fields> = true;
    assertEquals([Object.keys(same).sort(), names], [[...EVENT_NAMES], true]);
    // Listeners as the documents write them.
    const coap = new CoAP();
    coap.on("Error", (e: Fields["Error"]) => void e.description);
    coap.on("Notification", (e: Fields["Notification"]) => void (e.stopObserving = e.isLatest));
    coap.on("Register", (e: Fields["Register"]) => void (e.accept = e.URIQuery !== ""));
    coap.on("Request", (e: Fields["Request"]) => void (e.sendResponse = e.tokenB.length > 0));
    coap.on("RequestComplete", (e: Fields["RequestComplete"]) => void e.errorDescription);
  });

  // Whoever checks the types of this file checks these lines: a wrong name or field does not compile.
  it("know the fields of their events", () => {
    const coap = new CoAP();
    coap.on("Request", (e) => {
      const fields: [number, string, string, boolean] = [
        e.method,
        e.URIPath,
        e.token,
        e.sendResponse,
      ];
      e.sendResponse = false;
      // @ts-expect-error: no such field
      void e.uriPath;
      // @ts-expect-error: read-only
      e.method = 2;
      return fields;
    });
    coap.on("Register", async (e) => {
      e.accept = await Promise.resolve(true);
      // @ts-expect-error: not of this type
      e.accept = "yes";
    });
    coap.once("RequestComplete", (e) => {
      const code: number = e.errorCode;
      // @ts-expect-error: no such field
      void e.isLatest;
      return code;
    });
    coap.addEventListener("Notification", (e) => {
      const latest: boolean = e.isLatest;
      e.stopObserving = latest;
      // @ts-expect-error: no such field
      void e.requestId;
    }, { once: true });
    coap.addEventListener("Log", { handleEvent: (e) => void e.message.trim() });
    coap.off("Error", (e) => {
      const text: string = e.description;
      // @ts-expect-error: another name
      void e.errorDescription;
      return text;
    });
    // @ts-expect-error: no such event
    coap.on("request", () => {});
    // @ts-expect-error: no such event
    coap.once("Reqest", () => {});
    // @ts-expect-error: no such event
    coap.off("Close", () => {});
    // @ts-expect-error: no such event
    coap.addEventListener("message", () => {});
    // @ts-expect-error: no such event
    coap.removeEventListener("message", () => {});
    const other = (e: CoAPRequestCompleteEvent): void => void e;
    // @ts-expect-error: a listener of another event
    coap.on("Error", other);
    // @ts-expect-error: a listener of another event
    coap.once("Request", other);
    // @ts-expect-error: a listener of another event
    coap.off("Register", other);
    // @ts-expect-error: a listener of another event
    coap.addEventListener("Unregistered", other);
    // @ts-expect-error: a listener of another event
    coap.removeEventListener("Log", { handleEvent: other });
    // @ts-expect-error: no listener
    coap.on("Error", null);
    // @ts-expect-error: no such field
    coap.once("Register", (e) => void e.requestId);
    // @ts-expect-error: no such field
    coap.off("ResponseComplete", (e) => void e.URI);
    // @ts-expect-error: no such field
    coap.removeEventListener("Unregistered", (e) => void e.token);
  });

  it("are noticed where they are loose", async () => {
    // A copy in which names and listeners are of any type: then each of the lines above that must not compile does.
    const folder = mkdtempSync(join(tmpdir(), "coap-types-"));
    try {
      for (const part of ["deno.json", "lib", "mod.ts", "package.json", "scripts", "testing"]) {
        cpSync(join(ROOT, part), join(folder, part), { recursive: true });
      }
      symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"), "junction");
      const coap = join(folder, "lib/component/coap.ts");
      const loose = readFileSync(coap, "utf8")
        .replaceAll(/\bname: Name\b/g, "name: any")
        .replaceAll(/\blistener: CoAP(?:Event)?Listener<Name>(?: \| null)?/g, "listener: any");
      writeFileSync(coap, loose);
      const config = {
        extends: join(ROOT, "tsconfig.json"),
        compilerOptions: { noImplicitAny: false },
        include: ["lib/component/coap_types_test.ts"],
      };
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
      const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
      const own = readFileSync(new URL(import.meta.url), "utf8");
      const { output } = await run(findRuntime("node")!, [compiler, "--noEmit", "-p", folder]);
      const unused = output.match(/coap_types_test\.ts.*TS2578/g) ?? [];
      const [above] = own.split('it("are noticed');
      const expected = above!.match(/^ +\/\/ @ts-expect-error: /gm)!;
      assertEquals([unused.length, expected.length > 15], [expected.length, true], output);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("know what properties and methods take", async () => {
    const coap = new CoAP();
    const methods: Methods = coap;
    const results: Same<
      { [Name in keyof Methods]: ReturnType<Methods[Name]> },
      { [Name in keyof Methods]: ReturnType<CoAP[Name]> }
    > = true;
    assertEquals([methods.getLocalPort(), results], [0, true]);
    coap.requestContentFormat = "";
    coap.requestData = "text";
    coap.setResponseData(Uint8Array.of(1));
    const data: Uint8Array = coap.requestData;
    assertEquals(data.length, 4);
    assertThrows(() => {
      // @ts-expect-error: a number
      coap.responseCode = 205;
    });
    assertThrows(() => {
      // @ts-expect-error: read-only
      coap.listening = true;
    });
    // @ts-expect-error: a string
    assertEquals((await failure(coap.cancelRequest(1))).code, 706);
  });
});
