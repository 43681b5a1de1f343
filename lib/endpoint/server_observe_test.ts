import { assert, assertEquals, assertRejects } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { NetworkPeer } from "../../testing/network_peer.ts";
import { failure, SERVER, Simulation } from "../../testing/simulated_endpoints.ts";
import { Code } from "../wire/code.ts";
import { CoAPResponse } from "./response.ts";
import { Router } from "./router.ts";
import type { IncomingRequest } from "./incoming_request.ts";

describe("observers of a server", () => {
  let net: Simulation;
  let peer: NetworkPeer;
  beforeEach(async () => {
    net = new Simulation();
    peer = (await new NetworkPeer(net).bind("127.0.0.1", 40_000)).talksTo();
  });
  afterEach(async () => {
    await net.rest();
    await net.close();
  });

  /** A resource whose state is a number. */
  function counter(): { router: Router; count: number; runs: string[] } {
    const it = { router: new Router(), count: 0, runs: [] as string[] };
    const state = (request: IncomingRequest<unknown>): CoAPResponse => {
      it.runs.push(`${request.method} ${request.query.join("&")} ${request.text()}`);
      return CoAPResponse.text(`${it.count}`);
    };
    it.router.resource("/count", { observable: true }, {
      get: state,
      fetch: state,
      put: (request) => {
        it.count = Number(request.text());
        return new CoAPResponse(undefined, { code: Code.Changed });
      },
    });
    return it;
  }

  it("are told of changes, by the token of the registration (7641-4.1-1, 4.2-1, 4.2-3)", async () => {
    const it = counter();
    const server = await net.serve(it.router);
    await peer.sends("CON GET 0x0001 token 0a Observe:0 /count");
    await peer.receives('ACK 2.05 0x0001 token 0a Observe:_ Content-Format:0 "0"');
    for (const count of [1, 2]) {
      it.count = count;
      assertEquals(await server.notify("/count"), 1);
      await peer.receives(`CON 2.05 $m${count} token 0a Observe:_ Content-Format:0 "${count}"`);
      await peer.sends(`ACK Empty $m${count}`);
    }
    assertEquals(await server.notify("/nowhere"), 0);
    await peer.hearsNothing(10_000);
  });

  it("are two with two tokens; a second registration replaces (7641-4.1-2, 4.1-3)", async () => {
    const it = counter();
    const server = await net.serve(it.router);
    for (const [id, token] of [["0001", "0a"], ["0002", "0b"], ["0003", "0a"]]) {
      await peer.sends(`CON GET 0x${id} token ${token} Observe:0 /count`);
      await peer.receives(`ACK 2.05 0x${id} token ${token} Observe:_ Content-Format:0 "0"`);
    }
    assertEquals(await server.notify("/count", undefined, { confirmable: false }), 2);
    await peer.receives('NON 2.05 $m token 0a Observe:_ Content-Format:0 "0"');
    await peer.receives('NON 2.05 $n token 0b Observe:_ Content-Format:0 "0"');
    await peer.hearsNothing(10_000);
  });

  it("end with Observe 1, which is answered as a plain request (7641-4.1-4, 4.1-5)", async () => {
    const it = counter();
    const ends: string[] = [];
    const server = await net.serve(it.router, {
      onUnobserve: (request, reason) => ends.push(`${request.pathname} ${reason}`),
    });
    await peer.sends("CON GET 0x0001 token 0a Observe:0 /count");
    await peer.receives('ACK 2.05 0x0001 token 0a Observe:_ Content-Format:0 "0"');
    for (const id of ["0002", "0003"]) {
      await peer.sends(`CON GET 0x${id} token 0a Observe:1 /count`);
      await peer.receives(`ACK 2.05 0x${id} token 0a Content-Format:0 "0"`);
    }
    assertEquals(await server.notify("/count"), 0);
    assertEquals(ends, ["/count deregistered"]);
  });

  it("are none where the resource does not say so, or the response is an error", async () => {
    const { router } = counter();
    router.get("/plain", () => CoAPResponse.text("plain"));
    router.get("/broken", () => CoAPResponse.error(Code.Forbidden), { observable: true });
    const server = await net.serve(router);
    await peer.sends("CON GET 0x0001 token 0a Observe:0 /plain");
    await peer.receives('ACK 2.05 0x0001 token 0a Content-Format:0 "plain"');
    await peer.sends("CON GET 0x0002 token 0b Observe:0 /broken");
    await peer.receives("ACK 4.03 0x0002 token 0b");
    await peer.sends("CON PUT 0x0003 token 0c Observe:0 /count Content-Format:0 #31");
    await peer.receives("ACK 2.04 0x0003 token 0c");
    const counts = ["/plain", "/broken", "/count"].map((path) => server.notify(path));
    assertEquals(await Promise.all(counts), [0, 0, 0]);
  });

  it("may be refused, at once or after a while; a handler alone has none by itself", async () => {
    const asked: string[] = [];
    const { router } = counter();
    const server = await net.serve(router, {
      onObserve: ({ token }) => {
        asked.push(`${token[0]}`);
        return token[0] === 0x0a ? true : token[0] === 0x0b ? false : Promise.resolve(true);
      },
    });
    await peer.sends("CON GET 0x0001 token 0a Observe:0 /count");
    await peer.receives('ACK 2.05 0x0001 token 0a Observe:_ Content-Format:0 "0"');
    await peer.sends("CON GET 0x0002 token 0b Observe:0 /count");
    await peer.receives('ACK 2.05 0x0002 token 0b Content-Format:0 "0"');
    await peer.sends("CON GET 0x0003 token 0c Observe:0 /count");
    await peer.receives('ACK 2.05 0x0003 token 0c Observe:_ Content-Format:0 "0"');
    assertEquals(asked, ["10", "11", "12"]);
    assertEquals(await server.notify("/count", undefined, { confirmable: false }), 2);
    await server.close();

    for (const onObserve of [undefined, () => true]) {
      const plain = await net.serve(() => CoAPResponse.text("state"), { port: 6000, onObserve });
      peer.talksTo("127.0.0.1", 6000);
      await peer.sends("CON GET 0x0010 token 0d Observe:0 /any/path");
      assertEquals(await plain.notify("/any/path"), onObserve === undefined ? 0 : 1);
      await plain.close();
    }
  });

  it("beyond a limit are answered as plain requests, and onUnobserve hears of it", async () => {
    const gone: string[] = [];
    const server = await net.serve(counter().router, {
      limits: { observersPerPeer: 1 },
      onUnobserve: (request, reason) => void gone.push(`${request.pathname} ${reason}`),
    });
    await peer.sends("CON GET 0x0001 token 0a Observe:0 /count");
    await peer.receives('ACK 2.05 0x0001 token 0a Observe:_ Content-Format:0 "0"');
    await peer.sends("CON GET 0x0002 token 0b Observe:0 /count");
    await peer.receives('ACK 2.05 0x0002 token 0b Content-Format:0 "0"');
    assertEquals(gone, ["/count limit"]);
    assertEquals(await server.notify("/count", undefined, { confirmable: false }), 1);
  });

  it("onObserve that throws is answered 5.00 and told", async () => {
    const errors: string[] = [];
    const failing = [() => {
      throw new Error("at once");
    }, () => Promise.reject(new Error("later"))];
    for (const [index, onObserve] of failing.entries()) {
      const server = await net.serve(counter().router, {
        onObserve,
        onError: (error, request) => errors.push(`${request?.pathname} ${error}`),
      });
      await peer.sends(`CON GET 0x000${index} token 0a Observe:0 /count`);
      await peer.receives(`ACK 5.00 0x000${index} token 0a`);
      assertEquals(await server.notify("/count"), 0);
      await server.close();
    }
    assertEquals(errors, ["/count Error: at once", "/count Error: later"]);
  });

  it("get a state computed once for each kind of request, whatever the query (8132-2-7)", async () => {
    const it = counter();
    const server = await net.serve(it.router);
    const lines = [
      ...["GET 0x0001 token 01", "GET 0x0002 token 02", "GET 0x0003 token 03 ETag:0x07"],
      ...["GET 0x0004 token 04 ?unit=C", "GET 0x0005 token 05 Accept:0"],
      ...[
        'FETCH 0x0006 token 06 Content-Format:0 "a"',
        'FETCH 0x0007 token 07 Content-Format:0 "b"',
      ],
      ...['FETCH 0x0008 token 08 Content-Format:0 "b"'],
    ];
    for (const line of lines) {
      const [method, ...rest] = line.split(" ");
      await peer.sends(
        `NON ${method} ${rest.slice(0, 3).join(" ")} Observe:0 /count ${rest.slice(3).join(" ")}`,
      );
      await peer.receives('NON 2.05 _ token _ Observe:_ Content-Format:0 "0"');
    }
    it.runs.length = 0;
    const count = await server.notify(`${SERVER}/count`, undefined, { confirmable: false });
    assertEquals(count, lines.length);
    assertEquals(it.runs, ["GET  ", "GET unit=C ", "GET  ", "FETCH  a", "FETCH  b"]);
    for (let i = 0; i < lines.length; i++) {
      await peer.receives('NON 2.05 _ token _ Observe:_ Content-Format:0 "0"');
    }
    it.runs.length = 0;
    const options = { confirmable: false };
    assertEquals(await server.notify("/count?unit=C", undefined, options), 1);
    assertEquals(await server.notify("/count", undefined, { ...options, exact: true }), 7);
    assertEquals(await server.notify("/count?unit=C", undefined, { ...options, exact: false }), 8);
    assertEquals(it.runs.length, 1 + 4 + 5);
  });

  it("get the state that is given, with the query or without", async () => {
    const it = counter();
    const server = await net.serve(it.router);
    for (const [id, query] of [["01", ""], ["02", "?unit=C"]]) {
      await peer.sends(`CON GET 0x00${id} token ${id} Observe:0 /count ${query}`.trimEnd());
      await peer.receives(`ACK 2.05 0x00${id} token ${id} Observe:_ Content-Format:0 "0"`);
    }
    it.runs.length = 0;
    const options = { confirmable: false };
    assertEquals(await server.notify("/count", CoAPResponse.text("all"), options), 2);
    await peer.receives('NON 2.05 _ token 01 Observe:_ Content-Format:0 "all"');
    await peer.receives('NON 2.05 _ token 02 Observe:_ Content-Format:0 "all"');
    await net.after(5000);
    assertEquals(await server.notify("/count?unit=C", CoAPResponse.text("C"), options), 1);
    await peer.receives('NON 2.05 _ token 02 Observe:_ Content-Format:0 "C"');
    assertEquals(it.runs, []);
  });

  it("end with an error: a resource that is gone, a state given (7641-4.2-2, 4.2-3)", async () => {
    const values = new Map([["a", "1"]]);
    const ends: string[] = [];
    const router = new Router()
      .get("/values/:name", ({ params }) => {
        const value = values.get(params.name);
        return value === undefined ? CoAPResponse.error(Code.NotFound) : CoAPResponse.text(value);
      }, { observable: true })
      .delete("/values/:name", async ({ params, pathname }) => {
        values.delete(params.name);
        await server.notify(pathname);
        return new CoAPResponse(undefined, { code: Code.Deleted });
      });
    const server = await net.serve(router, {
      onUnobserve: ({ params, pathname, token }, reason) =>
        ends.push(`${pathname} ${token[0]} ${reason} ${JSON.stringify(params)}`),
    });
    await peer.sends("CON GET 0x0001 token 0a Observe:0 /values/a");
    await peer.receives('ACK 2.05 0x0001 token 0a Observe:_ Content-Format:0 "1"');
    await peer.sends("CON DELETE 0x0002 token 0b /values/a");
    await peer.receives("CON 4.04 $m token 0a");
    await peer.receives("ACK 2.02 0x0002 token 0b");
    await peer.sends("ACK Empty $m");
    values.set("a", "2");
    assertEquals(await server.notify("/values/a"), 0);
    await peer.sends("CON GET 0x0003 token 0c Observe:0 /values/a");
    await peer.receives('ACK 2.05 0x0003 token 0c Observe:_ Content-Format:0 "2"');
    assertEquals(await server.notify("/values/a", CoAPResponse.error(Code.Forbidden)), 1);
    await peer.receives("CON 4.03 $n token 0c");
    await peer.sends("ACK Empty $n");
    assertEquals(ends, ["/values/a 10 error {}", "/values/a 12 error {}"]);
  });

  it("end with 4.06 where the content format is another (7641-4.2-4)", async () => {
    let state = CoAPResponse.text("1");
    const server = await net.serve(new Router().get("/s", () => state, { observable: true }));
    await peer.sends("CON GET 0x0001 token 0a Observe:0 /s");
    await peer.receives('ACK 2.05 0x0001 token 0a Observe:_ Content-Format:0 "1"');
    await peer.sends("CON GET 0x0002 token 0b Observe:0 /s Accept:0");
    await peer.receives('ACK 2.05 0x0002 token 0b Observe:_ Content-Format:0 "1"');
    state = CoAPResponse.json(2);
    await server.notify("/s");
    await peer.receives("CON 4.06 $m token 0a");
    await peer.sends("ACK Empty $m");
    await peer.receives("CON 4.06 $n token 0b");
    await peer.sends("ACK Empty $n");
    assertEquals(await server.notify("/s"), 0);
  });

  it("have the format of the state, where 2.03 answered the registration", async () => {
    const etag = Uint8Array.of(7);
    let state = CoAPResponse.json(1, { etag });
    const server = await net.serve(new Router().get("/s", () => state, { observable: true }));
    await peer.sends("CON GET 0x0001 token 0a Observe:0 /s ETag:0x07");
    await peer.receives("ACK 2.03 0x0001 token 0a ETag:0x07 Observe:_");
    state = CoAPResponse.json(2);
    await server.notify("/s", undefined, { confirmable: false });
    await peer.receives('NON 2.05 _ token 0a Observe:_ Content-Format:50 "2"');
    await net.after(5000);
    // The state that the observer said it has (7641-4.3-3).
    state = CoAPResponse.json(1, { etag, maxAge: 9 });
    await server.notify("/s", undefined, { confirmable: false });
    await peer.receives("NON 2.03 _ token 0a ETag:0x07 Observe:_ Max-Age:9");
  });

  it("get 5.00 where the handler fails, at once or later; onError is told", async () => {
    const errors: string[] = [];
    for (const late of [false, true]) {
      let broken = false;
      const state = (): CoAPResponse => {
        if (broken) throw new Error(late ? "late" : "at once");
        return CoAPResponse.text("");
      };
      const handler = late ? () => Promise.resolve().then(state) : state;
      const server = await net.serve(new Router().get("/s", handler, { observable: true }), {
        onError: (error, request) => errors.push(`${request!.method} ${error}`),
      });
      await peer.sends(`CON GET 0x00${late ? 11 : 22} token 0a Observe:0 /s`);
      await peer.receives(`ACK 2.05 _ token 0a Observe:_ Content-Format:0`);
      broken = true;
      assertEquals(await server.notify("/s"), 1);
      await peer.receives("CON 5.00 $m token 0a");
      await peer.sends("ACK Empty $m");
      assertEquals(await server.notify("/s"), 0);
      await server.close();
      peer.bindings.clear();
    }
    assertEquals(errors, ["GET Error: at once", "GET Error: late"]);
    const invalid = (() => undefined) as unknown as () => CoAPResponse;
    const server = await net.serve(invalid, { onError: (error) => errors.push(`${error}`) });
    assertEquals(await server.notify("/s"), 0);
    assertEquals(errors.length, 2);
  });

  it("a handler that takes its time runs once more for what changes meanwhile, never twice", async () => {
    let count = 0;
    let running = 0;
    let most = 0;
    const waiting: (() => void)[] = [];
    const handler = async (): Promise<CoAPResponse> => {
      const now = count;
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => waiting.push(resolve));
      running--;
      return CoAPResponse.text(`${now}`);
    };
    const server = await net.serve(new Router().get("/s", handler, { observable: true }), {
      notifications: { confirmable: false },
    });
    await peer.sends("CON GET 0x0001 token 0a Observe:0 /s");
    waiting.shift()!();
    await peer.receives('ACK 2.05 0x0001 token 0a Observe:_ Content-Format:0 "0"');
    const told = [1, 2, 3, 4].map((value) => {
      count = value;
      return server.notify("/s");
    });
    assertEquals(waiting.length, 1);
    waiting.shift()!();
    await peer.receives('NON 2.05 _ token 0a Observe:_ Content-Format:0 "1"');
    assertEquals(waiting.length, 1);
    waiting.shift()!();
    await net.after(5000);
    await peer.receives('NON 2.05 _ token 0a Observe:_ Content-Format:0 "4"');
    assertEquals(await Promise.all(told), [1, 1, 1, 1]);
    assertEquals([waiting.length, most], [0, 1]);
    // A state that is given is newer than what a handler is still working out.
    server.notify("/s");
    await server.notify("/s", CoAPResponse.text("given"));
    waiting.shift()!();
    await net.after(5000);
    await peer.receives('NON 2.05 _ token 0a Observe:_ Content-Format:0 "given"');
    await peer.hearsNothing(5000);
    // Nobody is left when it has to run once more.
    const last = [server.notify("/s"), server.notify("/s")];
    await peer.sends("CON GET 0x0002 token 0a Observe:1 /s");
    waiting.shift()!();
    await net.after(0);
    waiting.shift()!();
    assertEquals(await Promise.all(last), [0, 0]);
  });

  it("miss no change while their registration is at the handler or at onObserve", async () => {
    let count = 0;
    const waiting: (() => void)[] = [];
    const handler = async (): Promise<CoAPResponse> => {
      const now = count;
      await new Promise<void>((resolve) => waiting.push(resolve));
      return CoAPResponse.text(`${now}`);
    };
    const router = new Router()
      .get("/late", handler, { observable: true })
      .get("/accepted", () => CoAPResponse.text(`${count}`), { observable: true });
    const server = await net.serve(router, {
      notifications: { confirmable: false },
      onObserve: ({ pathname }) =>
        pathname !== "/accepted" ||
        new Promise((resolve) => waiting.push(() => resolve(true))),
    });
    // Computed anew.
    await peer.sends("CON GET 0x0001 token 0a Observe:0 /late");
    count = 1;
    assertEquals(await server.notify("/late"), 0);
    waiting.shift()!();
    await peer.receives('ACK 2.05 0x0001 token 0a Observe:_ Content-Format:0 "0"');
    waiting.shift()!();
    await peer.receives('NON 2.05 _ token 0a Observe:_ Content-Format:0 "1"');
    // The state that was given last, to those with that query only.
    await peer.sends("CON GET 0x0002 token 0b Observe:0 /late ?q");
    await server.notify("/late", CoAPResponse.text("older"));
    await server.notify("/late?q", CoAPResponse.text("given"));
    await server.notify("/late?other", CoAPResponse.text("not this"));
    await net.after(5000);
    await peer.receives("ACK Empty 0x0002");
    await peer.receives('NON 2.05 _ token 0a Observe:_ Content-Format:0 "older"');
    waiting.shift()!();
    await peer.receives('CON 2.05 $m token 0b Observe:_ Content-Format:0 "1"');
    await peer.receives('NON 2.05 _ token 0b Observe:_ Content-Format:0 "given"');
    await peer.sends("ACK Empty $m");
    // While it was asked who may observe.
    await peer.sends("CON GET 0x0003 token 0c Observe:0 /accepted");
    count = 2;
    await server.notify("/accepted");
    waiting.shift()!();
    await peer.receives('ACK 2.05 0x0003 token 0c Observe:_ Content-Format:0 "1"');
    await peer.receives('NON 2.05 _ token 0c Observe:_ Content-Format:0 "2"');
    await peer.hearsNothing(10_000);
  });

  it("hear only the newest of many changes (7641-4.5-1)", async () => {
    const it = counter();
    const server = await net.serve(it.router);
    const states: string[] = [];
    const observing = (async () => {
      for await (const state of net.client().observe(`${SERVER}/count`)) {
        states.push(state.text());
        if (state.text() === "100") break;
      }
    })();
    await net.after(100);
    for (it.count = 1; it.count < 100; it.count++) await server.notify("/count");
    await server.notify("/count");
    await net.run(observing);
    assert(states.length <= 4 && states[0] === "0" && states.at(-1) === "100", `${states}`);
  });

  it("are notified Confirmably or not, as the server's option or the call says", async () => {
    const it = counter();
    const server = await net.serve(it.router, {
      notifications: { confirmable: false, confirmableEvery: 3 },
    });
    await peer.sends("CON GET 0x0001 token 0a Observe:0 /count");
    await peer.receives('ACK 2.05 0x0001 token 0a Observe:_ Content-Format:0 "0"');
    for (const type of ["NON", "NON", "CON", "NON", "NON", "CON"]) {
      await server.notify("/count", undefined, { confirmable: undefined });
      await peer.receives(`${type} 2.05 $m token 0a Observe:_ Content-Format:0 "0"`);
      if (type === "CON") await peer.sends("ACK Empty $m");
      peer.bindings.clear();
      await net.after(5000);
    }
    await server.notify("/count", undefined, { confirmable: true });
    await peer.receives('CON 2.05 $m token 0a Observe:_ Content-Format:0 "0"');
    await peer.sends("ACK Empty $m");
  });

  it("end by a Reset, silence or another resource, and all when the server closes", async () => {
    const ends: string[] = [];
    const { router } = counter();
    router.get("/other", () => CoAPResponse.text(""), { observable: true });
    const server = await net.serve(router, {
      onUnobserve: ({ token }, reason) => {
        ends.push(`${token[0]} ${reason}`);
        throw new Error("Careless");
      },
    });
    const register = async (id: number, path = "/count"): Promise<void> => {
      await peer.sends(`NON GET 0x000${id} token 0${id} Observe:0 ${path}`);
      await peer.receives(`NON 2.05 _ token 0${id} Observe:_ ...`);
    };
    await register(1);
    await server.notify("/count");
    await peer.receives('CON 2.05 $m token 01 Observe:_ Content-Format:0 "0"');
    await peer.sends("RST Empty $m");
    await register(2);
    await server.notify("/count");
    await net.after(100_000);
    for (let i = 0; i < 5; i++) {
      await peer.receives('CON 2.05 _ token 02 Observe:_ Content-Format:0 "0"');
    }
    await register(3);
    await peer.sends("NON GET 0x0004 token 03 Observe:0 /other");
    await peer.receives("NON 2.05 _ token 03 Observe:_ Content-Format:0");
    await server.close();
    assertEquals(ends, ["1 reset", "2 timeout", "3 replaced", "3 closed"]);
    assertEquals(await server.notify("/other"), 0);
  });

  it("are served by observe() of a client, large states too (7959-2.6)", async () => {
    let letter = "a";
    const body = (): string => letter.repeat(3000);
    const router = new Router()
      .get("/large", () => CoAPResponse.text(body()), { observable: true });
    const server = await net.serve(router);
    const states: string[] = [];
    const observing = (async () => {
      for await (const state of net.client().observe(`${SERVER}/large`)) {
        states.push(state.text());
        if (states.length === 3) break;
        letter += "b";
        await server.notify("/large");
      }
    })();
    await net.run(observing);
    assertEquals(states, ["a", "ab", "abb"].map((letters) => letters.repeat(3000)));
    await net.after(1000);
    assertEquals(await server.notify("/large"), 0);
  });

  it("are listed in /.well-known/core as resources with obs (7641-6)", () => {
    const { router } = counter();
    router
      .get("/a", () => CoAPResponse.text(""), { observable: true })
      .get("/b", () => CoAPResponse.text(""))
      .resource("/c", { observable: true }, { put: () => CoAPResponse.text("") });
    assertEquals(router.links.map(({ href, attributes }) => [href, attributes]), [
      ["/count", [["obs", undefined]]],
      ["/a", [["obs", undefined]]],
      ["/b", []],
      ["/c", []],
    ]);
  });

  it("notify refuses what is no path, no response, no number", async () => {
    const server = await net.serve(counter().router);
    for (const uri of ["count", "/%GG", "mailto:a", "/a#b"]) {
      const error = await failure(server.notify(uri));
      assertEquals(error.reason, "invalid-uri", uri);
    }
    const text = "text" as unknown as CoAPResponse;
    await assertRejects(() => server.notify("/count", text), TypeError, '"text"');
    for (const confirmableEvery of [0, 1.5, NaN]) {
      await assertRejects(
        () => server.notify("/count", undefined, { confirmableEvery }),
        RangeError,
        `"${confirmableEvery}"`,
      );
      await assertRejects(
        () => net.serve(() => CoAPResponse.text(""), { notifications: { confirmableEvery } }),
        RangeError,
      );
    }
    assertEquals(await server.notify("/count", undefined, { confirmableEvery: Infinity }), 0);
  });
});
