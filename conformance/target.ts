/** The reference server: the resources that server cases ask for. @module */

import { type Clock, systemClock } from "../lib/endpoint/clock.ts";
import type { IncomingRequest } from "../lib/endpoint/incoming_request.ts";
import { CoAPResponse, type CoAPResponseInit } from "../lib/endpoint/response.ts";
import { Router } from "../lib/endpoint/router.ts";
import { serve, type ServeOptions, type Server } from "../lib/endpoint/server.ts";
import { Code } from "../lib/wire/code.ts";
import { ContentFormat } from "../lib/wire/content_format.ts";
import { OptionNumber } from "../lib/wire/option.ts";

/** How often observable resources change by themselves, ms. */
const PERIOD = 5_000;

/** How long `/separate` takes, ms. */
const SLOW = 1_500;

/** 20 lines of 64 bytes. */
const LARGE: string = Array.from(
  { length: 20 },
  (_, line) => `line ${String(line).padStart(2, "0")} `.padEnd(63, "abcdefghij") + "\n",
).join("");

const CHANGED = new CoAPResponse(undefined, { code: Code.Changed });
const CREATED = new CoAPResponse(undefined, { code: Code.Created });
const DELETED = new CoAPResponse(undefined, { code: Code.Deleted });
const NOT_FOUND = CoAPResponse.error(Code.NotFound);
const NO_FORMAT = CoAPResponse.error(Code.BadRequest, "Content-Format is missing");
const FORBIDDEN = CoAPResponse.error(Code.Forbidden);

/** A representation that is kept. */
interface Stored {
  payload: Uint8Array;
  contentFormat: number | undefined;
}

/** A server that was started by {@linkcode startTarget}. */
export interface Target extends Server {
  /** Stops the changes that happen by themselves, and the server. */
  close(): Promise<void>;
}

/**
 * Starts the reference server: `/test`, `/separate`, `/large`, `/obs` and what else the plugtests ask for. Observable
 * resources change every five seconds.
 *
 * @param options as of `serve`
 *
 * @example A server to put the suite to
 * ```ts
 * import { startTarget } from "@x/coap/conformance";
 *
 * const target = await startTarget({ hostname: "127.0.0.1", port: 0 });
 * console.log(`coap://127.0.0.1:${target.address.port}`);
 * await target.close();
 * ```
 */
export async function startTarget(options: ServeOptions = {}): Promise<Target> {
  const clock = options.clock ?? systemClock;
  const router = new Router();
  addCore(router, clock);
  addBlocks(router, clock);
  addLinks(router);
  const later: { server?: Server } = {};
  const observables = addObservables(router, () => later.server);
  addMethods(router, () => later.server);
  const server = await serve({ limits: { bodyBytes: 64 * 1024 }, ...options }, router);
  later.server = server;
  const stop = every(clock, PERIOD, () => {
    for (const change of observables) change();
  });
  const close = server.close.bind(server);
  return Object.assign(server, {
    close(): Promise<void> {
      stop();
      return close();
    },
  });
}

function every(clock: Clock, ms: number, callback: () => void): () => void {
  let timer = set();
  function set(): ReturnType<Clock["setTimer"]> {
    const set = clock.setTimer(tick, clock.now() + ms);
    clock.unref?.(set);
    return set;
  }
  function tick(): void {
    timer = set();
    callback();
  }
  return () => clock.clearTimer(timer);
}

function delay(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(resolve, clock.now() + ms));
}

function stored({ payload, contentFormat }: Stored, init: CoAPResponseInit = {}): CoAPResponse {
  return new CoAPResponse(payload, { ...init, contentFormat });
}

function kept(request: IncomingRequest): Stored {
  return { payload: request.payload, contentFormat: request.contentFormat };
}

/** What RFC 7252 is tested with. */
function addCore(router: Router, clock: Clock): void {
  const created = new CoAPResponse(undefined, {
    code: Code.Created,
    locationPath: ["location1", "location2", "location3"],
  });
  router.resource("/test", {}, {
    get: () => CoAPResponse.text("CoAP test", { maxAge: 30 }),
    put: () => CHANGED,
    post: () => created,
    delete: () => DELETED,
  });
  for (const path of ["/seg1", "/seg1/seg2", "/seg1/seg2/seg3"] as const) {
    router.get(path, () => CoAPResponse.text(`This is ${path}`));
  }
  router.get("/query", (request) => CoAPResponse.text(`?${request.query.join("&")}`));
  router.get("/separate", async () => {
    await delay(clock, SLOW);
    return CoAPResponse.text("It took a while");
  });
  router.post(
    "/location-query",
    () =>
      new CoAPResponse(undefined, { code: Code.Created, locationQuery: ["first=1", "second=2"] }),
  );
  router.resource("/multi-format", { contentFormats: [0, 41, 50, 60] }, {
    get: ({ accept = ContentFormat.Text }) => {
      const bodies: Record<number, string | Uint8Array> = {
        0: "text",
        41: "<text/>",
        50: '"text"',
        60: Uint8Array.of(0x64, 0x74, 0x65, 0x78, 0x74),
      };
      return new CoAPResponse(bodies[accept], { contentFormat: accept });
    },
  });
  addValidate(router);
  let exists = false;
  router.resource("/create1", {}, {
    get: () => exists ? CoAPResponse.text("created") : NOT_FOUND,
    put: () => {
      const answer = exists ? CHANGED : CREATED;
      exists = true;
      return answer;
    },
    delete: () => {
      exists = false;
      return DELETED;
    },
  });
  // Two names that look alike and are not.
  router.get("/\u00e9", () => CoAPResponse.text("composed"));
  router.get("/e\u0301", () => CoAPResponse.text("decomposed"));
  router.resource("/fresh", { fresh: true }, {
    get: () => CoAPResponse.text("anybody may look"),
    put: () => CHANGED,
  });
  router.resource("/group", { multicast: true }, { get: () => CoAPResponse.text("here") });
  router.post(
    "/shutdown",
    (request) => request.text() === "sesame" ? CHANGED : FORBIDDEN, // ending it is up to who started it
  );
}

function addValidate(router: Router): void {
  let version = 1;
  let text = "version 1";
  const tag = (): Uint8Array => Uint8Array.of(version >> 8 & 255, version & 255);
  router.resource("/validate", {}, {
    get: (request) => {
      const etag = tag();
      const answer = CoAPResponse.text(text, { etag });
      // Once it has been validated it changes, so that the next validation finds something new.
      if (request.etags.some((other) => other.join() === etag.join())) {
        text = `version ${++version}`;
      }
      return answer;
    },
    put: (request) => {
      text = request.text();
      version++;
      return new CoAPResponse(undefined, { code: Code.Changed, etag: tag() });
    },
  });
}

/** What RFC 7959 is tested with. */
function addBlocks(router: Router, clock: Clock): void {
  const large = CoAPResponse.text(LARGE);
  router.resource("/large", { rt: "block", sz: LARGE.length, ct: 0 }, { get: () => large });
  router.get("/large-separate", async () => {
    await delay(clock, SLOW);
    return large;
  });
  let body: Stored = { payload: new TextEncoder().encode(LARGE), contentFormat: 0 };
  router.resource("/large-update", {}, {
    get: () => stored(body),
    put: (request) => {
      if (request.contentFormat === undefined) return NO_FORMAT;
      body = kept(request);
      return CHANGED;
    },
  });
  const children = new Map<string, Stored>();
  let count = 0;
  router.resource("/large-create", { ct: 40 }, {
    get: () =>
      CoAPResponse.text([...children.keys()].map((name) => `</large-create/${name}>`).join(), {
        contentFormat: ContentFormat.LinkFormat,
      }),
    post: (request) => {
      if (request.contentFormat === undefined) return NO_FORMAT;
      const name = String(++count);
      children.set(name, kept(request));
      if (children.size > 100) children.delete(children.keys().next().value!);
      return new CoAPResponse(undefined, {
        code: Code.Created,
        locationPath: ["large-create", name],
      });
    },
  });
  router.resource("/large-create/:name", {}, {
    get: ({ params }) => {
      const child = children.get(params.name);
      return child === undefined ? NOT_FOUND : stored(child);
    },
    delete: ({ params }) => {
      children.delete(params.name);
      return DELETED;
    },
  });
  router.post("/large-post", (request) =>
    new CoAPResponse(request.text().toUpperCase(), {
      code: Code.Changed,
      contentFormat: ContentFormat.Text,
    }));
  router.put("/limited", (request) =>
    request.payload.length > 1024
      ? new CoAPResponse(undefined, {
        code: Code.RequestEntityTooLarge,
        options: [[OptionNumber.Size1, 1024]],
      })
      : CHANGED);
}

/** What RFC 8132 is tested with, and a resource that counts what is done to it. */
function addMethods(router: Router, server: () => Server | undefined): void {
  let count = 0;
  const next = (): CoAPResponse =>
    new CoAPResponse(String(++count), { code: Code.Changed, contentFormat: ContentFormat.Text });
  router.resource("/counter", {}, {
    get: () => CoAPResponse.text(String(count)),
    post: next,
    patch: next,
  });
  const document: Record<string, unknown> = { a: 1, b: 2 };
  const merge = (request: IncomingRequest): CoAPResponse => {
    const patch = parseObject(request.text());
    if (patch === undefined) return CoAPResponse.error(Code.BadRequest, "Not a JSON object");
    if (Object.values(patch).some((value) => typeof value !== "number")) {
      return CoAPResponse.error(Code.UnprocessableEntity, "Members must be numbers");
    }
    Object.assign(document, patch);
    void server()?.notify("/document");
    return CHANGED;
  };
  router.resource("/document", { observable: true, accepts: [ContentFormat.JSON] }, {
    get: () => CoAPResponse.json(document),
    fetch: (request) => {
      const names = parseArray(request.text());
      if (names === undefined) return CoAPResponse.error(Code.BadRequest, "Not a JSON array");
      return CoAPResponse.json(Object.fromEntries(names.map((name) => [name, document[name]])));
    },
    put: merge,
    patch: merge,
    ipatch: merge,
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  const value = parseJson(text);
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? value as Record<string, unknown> : undefined;
}

function parseArray(text: string): string[] | undefined {
  const value = parseJson(text);
  return Array.isArray(value) ? value.map(String) : undefined;
}

/** What RFC 6690 is tested with. */
function addLinks(router: Router): void {
  router.resource("/link1", { rt: "Type1 Type2", if: "If1" }, {
    get: () => CoAPResponse.text("1"),
  });
  router.resource("/link2", { rt: "Type2 Type3", if: "If2" }, {
    get: () => CoAPResponse.text("2"),
  });
  router.resource("/link3", { rt: "Type1 Type3", if: "foo" }, {
    get: () => CoAPResponse.text("3"),
  });
  const parts = ["sub1", "sub2", "sub3"] as const;
  router.resource("/path", { ct: 40 }, {
    get: () =>
      CoAPResponse.text(parts.map((part) => `</path/${part}>`).join(), {
        contentFormat: ContentFormat.LinkFormat,
      }),
  });
  for (const part of parts) {
    router.get(`/path/${part}`, () => CoAPResponse.text(`/path/${part}`));
  }
}

/** What RFC 7641 is tested with. Returns what changes by itself. */
function addObservables(router: Router, server: () => Server | undefined): (() => void)[] {
  const changes: (() => void)[] = [];
  const paths: string[] = [];
  const add = (path: string, confirmable: boolean, bodyOf: (count: number) => string): void => {
    const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
    let count = 0;
    let state: Stored = { payload: encode(bodyOf(0)), contentFormat: ContentFormat.Text };
    let exists = true;
    let version = 1;
    const etag = (): Uint8Array => Uint8Array.of(version >> 8 & 255, version & 255);
    const keep = (next: Stored): void => {
      if (next.payload.join() !== state.payload.join()) version++;
      state = next;
    };
    const tell = (response?: CoAPResponse): void =>
      void server()?.notify(path, response, { confirmable });
    router.resource(path, { observable: true }, {
      get: () => exists ? stored(state, { maxAge: PERIOD / 1000, etag: etag() }) : NOT_FOUND,
      put: (request) => {
        keep(kept(request));
        exists = true;
        tell();
        return CHANGED;
      },
      delete: () => {
        exists = false;
        tell();
        return DELETED;
      },
    });
    paths.push(path);
    changes.push(() => {
      exists = true; // what was deleted comes back
      keep({ payload: encode(bodyOf(++count)), contentFormat: ContentFormat.Text });
      tell();
    });
  };
  const short = (count: number): string => `state ${count}`;
  const varying = (count: number): string =>
    count % 2 === 0 ? short(count) : "x".repeat(100 + count % 50);
  add("/obs", true, short);
  add("/obs-non", false, short);
  add("/obs-large", true, (count) => `${count} ${LARGE}`);
  add("/obs-pumping", true, varying);
  add("/obs-pumping-non", false, varying);
  router.post("/obs-reset", (request) => {
    if (request.text() !== "sesame") return FORBIDDEN;
    // A server that forgets its observers without a word is what the client's case OBS_04 plays.
    for (const path of paths) void server()?.notify(path, NOT_FOUND);
    return CHANGED;
  });
  return changes;
}
