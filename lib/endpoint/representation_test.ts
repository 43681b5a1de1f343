import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { NetworkPeer } from "../../testing/network_peer.ts";
import { SERVER, Simulation } from "../../testing/simulated_endpoints.ts";
import type { CoAPClient } from "./client.ts";
import { Code } from "../wire/code.ts";
import { ContentFormat } from "../wire/content_format.ts";
import type { IncomingRequest } from "./incoming_request.ts";
import type { CoAPRequestInit } from "./outgoing.ts";
import { CoAPResponse } from "./response.ts";
import { Router } from "./router.ts";

const CHANGED = new CoAPResponse(undefined, { code: Code.Changed });

describe("representations, without the handler's doing", () => {
  let net: Simulation;
  let peer: NetworkPeer;
  let client: CoAPClient;
  beforeEach(async () => {
    net = new Simulation();
    client = net.client();
    peer = (await new NetworkPeer(net).bind("127.0.0.1", 40_000)).talksTo();
  });
  afterEach(async () => {
    await net.rest();
    await net.close();
  });

  /** The code of the response, and its payload. */
  async function ask(method: string, path: string, init: CoAPRequestInit = {}): Promise<string> {
    const response = await net.run(client.request(method, SERVER + path, init));
    return `${response.codeText} ${response.text()}`.trimEnd();
  }

  describe("entity tags", () => {
    it("2.03 with the tag and Max-Age, no payload (7252-5.8-2, 5.9-1, 5.10-9)", async () => {
      const state = (): CoAPResponse =>
        CoAPResponse.text("state", {
          etag: Uint8Array.of(7),
          maxAge: 30,
          options: [[65_000, "x"]],
        });
      await net.serve(state);
      await peer.sends("CON GET 0x0001 token 0a ETag:0x08 ETag:0x07 ETag:0x0707 /s");
      await peer.receives("ACK 2.03 0x0001 token 0a ETag:0x07 Max-Age:30");
      await peer.sends("CON GET 0x0002 token 0b ETag:0x08 ETag:0x0707 /s");
      await peer.receives(
        'ACK 2.05 0x0002 token 0b ETag:0x07 Content-Format:0 Max-Age:30 65000:0x78 "state"',
      );
      await peer.sends('CON FETCH 0x0003 token 0c ETag:0x07 /s Content-Format:0 "q"');
      await peer.receives("ACK 2.03 0x0003 token 0c ETag:0x07 Max-Age:30");
    });

    it("of a 2.05 to GET and FETCH alone", async () => {
      const etag = Uint8Array.of(7);
      await net.serve((request) =>
        request.method === "GET"
          ? new CoAPResponse("", { code: Code.Deleted, etag })
          : new CoAPResponse("posted", { code: Code.Content, etag })
      );
      assertEquals(await ask("GET", "/", { etag }), "2.02");
      assertEquals(await ask("POST", "/", { etag }), "2.05 posted");
    });

    it("that bodies in blocks get are known as well, for the same body alone", async () => {
      let body = "x".repeat(2000);
      const router = new Router()
        .get("/large", () => CoAPResponse.text(body))
        .put("/large", (request) => {
          body = request.text();
          return CoAPResponse.text("", { code: Code.Changed });
        });
      await net.serve(router);
      const first = await net.run(client.get(`${SERVER}/large`));
      const etag = first.etag!;
      assertEquals(etag.length, 8);
      assertEquals(await ask("GET", "/large", { etag }), "2.03");
      const put = { ifMatch: etag, payload: "y".repeat(2000) };
      assertEquals(await ask("PUT", "/large", put), "2.04");
      assertEquals(await ask("PUT", "/large", put), "4.12");
      const second = await net.run(client.get(`${SERVER}/large`, { etag }));
      assertEquals([second.codeText, second.text()], ["2.05", "y".repeat(2000)]);
      assertNotEquals(second.etag, etag);
    });
  });

  describe("Accept", () => {
    it("of another format: 4.06 in place of 2.05 to GET and FETCH (7252-5.10-6)", async () => {
      const bare = new CoAPResponse(Uint8Array.of(1));
      await net.serve((request) =>
        request.pathname === "/bare"
          ? bare
          : request.pathname === "/none"
          ? CoAPResponse.error(Code.NotFound)
          : CoAPResponse.json({})
      );
      const accept = ContentFormat.CBOR;
      assertEquals(await ask("GET", "/", { accept }), "4.06");
      assertEquals(await ask("FETCH", "/", { accept, payload: "q" }), "4.06");
      assertEquals(await ask("GET", "/", { accept: ContentFormat.JSON }), "2.05 {}");
      assertEquals(await ask("POST", "/", { accept, payload: "q" }), "2.05 {}");
      // Another error takes precedence; what has no format contradicts nothing.
      assertEquals(await ask("GET", "/none", { accept }), "4.04");
      assertEquals(await ask("GET", "/bare", { accept }), "2.05 \u0001");
    });

    it("that the resource can not satisfy: 4.06 before the handler; ct in the link", async () => {
      const asked: string[] = [];
      const handler = (request: IncomingRequest<unknown>): CoAPResponse => {
        asked.push(`${request.method} ${request.accept}`);
        return request.accept === ContentFormat.JSON
          ? CoAPResponse.json(1)
          : CoAPResponse.text("1");
      };
      const contentFormats = [ContentFormat.Text, ContentFormat.JSON];
      const router = new Router()
        .resource("/a", { contentFormats, rt: "x" }, {
          get: handler,
          fetch: handler,
          post: handler,
        })
        .get("/b", handler, { contentFormats })
        .resource("/c", { contentFormats, ct: 60 }, { get: handler });
      await net.serve(router);
      const accept = ContentFormat.CBOR;
      assertEquals(await ask("GET", "/a", { accept }), "4.06");
      assertEquals(await ask("FETCH", "/a", { accept, payload: "" }), "4.06");
      assertEquals(await ask("GET", "/b", { accept }), "4.06");
      assertEquals(asked, []);
      assertEquals(await ask("GET", "/a", { accept: ContentFormat.JSON }), "2.05 1");
      assertEquals(await ask("POST", "/a", { accept, payload: "" }), "2.05 1");
      assertEquals(await ask("GET", "/b"), "2.05 1");
      assertEquals(asked, ["GET 50", "POST 60", "GET undefined"]);
      assertEquals(router.links.map(({ attributes }) => attributes), [
        [["rt", "x"], ["ct", "0 50"]],
        [["ct", "0 50"]],
        [["ct", "60"]],
      ]);
    });
  });

  it("Content-Format that is not understood: 4.15 before the handler (7252-5.10-7, 8132-2-6)", async () => {
    const accepts = [ContentFormat.Text];
    const router = new Router()
      .resource("/a", { accepts }, {
        get: () => CoAPResponse.text("got"),
        put: () => CHANGED,
        fetch: () => CoAPResponse.text("fetched"),
        ipatch: () => CHANGED,
        delete: () => CHANGED,
      })
      .post("/b", () => CHANGED, { accepts })
      .put("/any", () => CHANGED);
    await net.serve(router);
    const payload = Uint8Array.of(1);
    const [text, json] = [ContentFormat.Text, ContentFormat.JSON];
    assertEquals(await ask("PUT", "/a", { payload, contentFormat: 65_000 }), "4.15");
    assertEquals(await ask("PUT", "/a", { payload, contentFormat: text }), "2.04");
    assertEquals(await ask("PUT", "/a", { payload }), "2.04");
    assertEquals(await ask("FETCH", "/a", { payload, contentFormat: json }), "4.15");
    assertEquals(await ask("iPATCH", "/a", { payload, contentFormat: json }), "4.15");
    assertEquals(await ask("POST", "/b", { payload, contentFormat: json }), "4.15");
    assertEquals(await ask("PUT", "/any", { payload, contentFormat: 65_000 }), "2.04");
    assertEquals(await ask("GET", "/a"), "2.05 got");
    assertEquals(await ask("DELETE", "/a"), "2.04");
    assert(router.links.every(({ attributes }) => attributes.length === 0));
  });

  describe("conditions", () => {
    /** Values by name; `tag` is the version. */
    function store(
      async: boolean,
    ): { router: Router; values: Map<string, string>; calls: string[] } {
      const values = new Map<string, string>();
      const calls: string[] = [];
      const get = ({ params, accept }: IncomingRequest<{ name: string }>): CoAPResponse => {
        calls.push(`get ${params.name} ${accept}`);
        const value = values.get(params.name);
        if (params.name === "hidden") return CoAPResponse.error(Code.Forbidden);
        if (value === undefined) return CoAPResponse.error(Code.NotFound);
        return CoAPResponse.text(value, { etag: new TextEncoder().encode(value) });
      };
      const change = (request: IncomingRequest<{ name: string }>): CoAPResponse => {
        const { params: { name }, method } = request;
        calls.push(`${method} ${name}`);
        const code = values.has(name) ? Code.Changed : Code.Created;
        if (method === "DELETE") values.delete(name);
        else values.set(name, request.text());
        return new CoAPResponse(undefined, { code });
      };
      const router = new Router().resource("/v/:name", {}, {
        get: async ? (request) => Promise.resolve().then(() => get(request)) : get,
        put: change,
        post: change,
        delete: change,
        patch: change,
        ipatch: change,
      });
      return { router, values, calls };
    }

    for (const async of [false, true]) {
      const how = async
        ? "a GET handler that takes its time"
        : "a GET handler that answers at once";
      it(`If-Match and If-None-Match, with ${how} (7252-5.10-12, 13; 8132-3-3)`, async () => {
        const { router, values, calls } = store(async);
        await net.serve(router);
        const tag = (text: string): Uint8Array => new TextEncoder().encode(text);
        const exists = new Uint8Array();
        for (const method of ["PUT", "POST", "PATCH", "iPATCH"]) {
          values.clear();
          const payload = "1";
          assertEquals(await ask(method, "/v/a", { payload, ifMatch: exists }), "4.12");
          assertEquals(await ask(method, "/v/a", { payload, ifMatch: tag("0") }), "4.12");
          assertEquals(values.size, 0);
          assertEquals(await ask(method, "/v/a", { payload, ifNoneMatch: true }), "2.01");
          assertEquals(await ask(method, "/v/a", { payload: "2", ifNoneMatch: true }), "4.12");
          assertEquals(await ask(method, "/v/a", { payload: "2", ifMatch: tag("0") }), "4.12");
          assertEquals(values.get("a"), "1");
          const ifMatch = [tag("0"), tag("1")];
          assertEquals(await ask(method, "/v/a", { payload: "2", ifMatch }), "2.04");
          assertEquals(await ask(method, "/v/a", { payload: "3", ifMatch: exists }), "2.04");
          assertEquals(values.get("a"), "3");
        }
        assertEquals(await ask("DELETE", "/v/a", { ifMatch: tag("0") }), "4.12");
        assertEquals(await ask("DELETE", "/v/a", { ifMatch: tag("3") }), "2.04");
        assertEquals(values.size, 0);
        calls.length = 0;
        assertEquals(await ask("PUT", "/v/b", { payload: "1" }), "2.01"); // asks nobody
        assertEquals(
          await ask("PUT", "/v/b", { payload: "2", ifMatch: exists, accept: 60 }),
          "2.04",
        );
        assertEquals(calls, ["PUT b", "get b undefined", "PUT b"]);
      });
    }

    it("that nothing is known for are not fulfilled (7252-5.10-14)", async () => {
      const { router, calls } = store(false);
      await net.serve(router);
      const payload = "1";
      assertEquals(await ask("PUT", "/v/hidden", { payload, ifNoneMatch: true }), "4.12");
      assertEquals(await ask("PUT", "/v/hidden", { payload, ifMatch: Uint8Array.of(1) }), "4.12");
      assertEquals(calls.filter((call) => call.startsWith("PUT")), []);
    });

    it("are the handler's where there is no GET; a GET that fails is answered 5.00", async () => {
      const seen: boolean[] = [];
      const errors: unknown[] = [];
      const router = new Router()
        .put("/put", ({ ifNoneMatch }) => {
          seen.push(ifNoneMatch);
          return CHANGED;
        })
        .get("/broken", () => {
          throw new Error("Broken");
        })
        .put("/broken", () => CHANGED);
      await net.serve(router, { onError: (error) => errors.push(`${error}`) });
      assertEquals(await ask("PUT", "/put", { payload: "", ifNoneMatch: true }), "2.04");
      assertEquals(seen, [true]);
      assertEquals(await ask("PUT", "/broken", { payload: "", ifNoneMatch: true }), "5.00");
      assertEquals(errors, ["Error: Broken"]);
    });
  });
});
