import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { makeBody } from "../../testing/bodies.ts";
import { settle } from "../../testing/manual_clock.ts";
import { NetworkPeer } from "../../testing/network_peer.ts";
import { failure, SERVER, Simulation } from "../../testing/simulated_endpoints.ts";
import { Code } from "../wire/code.ts";
import { encodeBlock } from "../wire/block_option.ts";
import { OptionNumber } from "../wire/option.ts";
import type { CoAPClient } from "./client.ts";
import type { TransferProgress } from "./outgoing.ts";
import { CoAPResponse } from "./response.ts";

/** A source of chunks that tells how it is treated. */
class Source {
  pulls = 0;
  canceled: unknown = undefined;
  readonly stream: ReadableStream<Uint8Array>;

  constructor(chunks: Iterable<Uint8Array>) {
    const iterator = chunks[Symbol.iterator]();
    this.stream = new ReadableStream({
      pull: (controller) => {
        this.pulls++;
        const { done, value } = iterator.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => {
        this.canceled = reason ?? "without a reason";
      },
    }, { highWaterMark: 0 });
  }
}

function pieces(body: Uint8Array, size: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < body.length; at += size) chunks.push(body.subarray(at, at + size));
  return chunks;
}

async function readAll(body: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(body).arrayBuffer());
}

describe("bodies", () => {
  let net: Simulation;
  let client: CoAPClient;
  beforeEach(() => {
    net = new Simulation();
    client = net.client();
  });
  afterEach(async () => {
    await net.rest();
    await net.close();
  });

  describe("a payload from a stream", () => {
    it("7959-2.5: arrives whole, whatever its chunks and beyond any limit of the client", async () => {
      client = net.client({ limits: { bodyBytes: 1000 } });
      await net.serve((request) => CoAPResponse.json([...request.payload.subarray(-3)]));
      const body = makeBody(20_000);
      for (const size of [1, 1023, 1024, 1025, 20_000]) {
        const { stream } = new Source([new Uint8Array(), ...pieces(body, size), new Uint8Array()]);
        const response = await net.run(client.put(SERVER, { payload: stream }));
        assertEquals(response.json(), [...body.subarray(-3)]);
      }
    });

    it("goes without blocks where it is short", async () => {
      const peer = await new NetworkPeer(net).bind();
      const { stream } = new Source([makeBody(1000), new Uint8Array(), makeBody(24)]);
      const response = client.put(`${SERVER}/a`, { payload: stream });
      await peer.receives(
        "CON PUT $m token $t /a",
        Uint8Array.of(...makeBody(1000), ...makeBody(24)),
      );
      await peer.sends("ACK 2.04 $m token $t");
      assertEquals((await response).code, Code.Changed);
    });

    it("7959-2.5-5: is read as fast as the server takes its blocks, in order", async () => {
      const peer = await new NetworkPeer(net).bind();
      const body = makeBody(60);
      const source = new Source(pieces(body, 16));
      const response = client.put(`${SERVER}/a`, { payload: source.stream, blockSize: 16 });
      for (const [i, block] of pieces(body, 16).entries()) {
        const more = i < 3 ? 1 : 0;
        const blocks = `${more ? "" : "Block2:0/0/16 "}Block1:${i}/${more}/16`;
        const line = `CON PUT $m${i} token $t${i} /a ${blocks}`;
        await peer.receives(line, block);
        await net.after(500);
        // One chunk ahead, to know whether there is more.
        assertEquals(source.pulls, more ? i + 2 : 5);
        const code = more ? "2.31" : "2.04";
        await peer.sends(`ACK ${code} $m${i} token $t${i} Block1:${i}/${more}/16`);
      }
      assertEquals((await response).code, Code.Changed);
      assertEquals(source.canceled, undefined);
    });

    it("that fails rejects the request with its error, and no more is sent", async () => {
      const peer = await new NetworkPeer(net).bind();
      const broken = new Error("Disk on fire");
      const chunks = function* (): Generator<Uint8Array> {
        yield makeBody(20);
        throw broken;
      };
      const payload = new Source(chunks()).stream;
      const pending = client.put(`${SERVER}/a`, { payload, blockSize: 16 });
      const error = pending.catch((error: unknown) => error);
      await peer.receives(
        "CON PUT $m token $t /a Block1:0/1/16",
        makeBody(20).subarray(0, 16),
      );
      await peer.sends("ACK 2.31 $m token $t Block1:0/1/16");
      assertEquals(await error, broken);
      await peer.hearsNothing(200_000);
    });

    it("that gives something else than bytes rejects the request and is canceled", async () => {
      const source = new Source(["text" as unknown as Uint8Array]);
      await assertRejects(
        () => net.run(client.put(SERVER, { payload: source.stream })),
        TypeError,
        '"text"',
      );
      assert(source.canceled instanceof TypeError);
      assertEquals(net.sent.length, 0);
    });

    it("is canceled where the request is aborted, before and after it was sent", async () => {
      const early = new Source([makeBody(10)]);
      const signal = AbortSignal.abort("early");
      const refused = client.put(SERVER, { payload: early.stream, signal });
      assertEquals(await refused.catch((reason: unknown) => reason), "early");
      assertEquals(early.canceled, "early");

      const peer = await new NetworkPeer(net).bind();
      const controller = new AbortController();
      const late = new Source(pieces(makeBody(100), 16));
      const pending = client.put(`${SERVER}/a`, {
        payload: late.stream,
        blockSize: 16,
        signal: controller.signal,
      });
      await peer.receives("CON PUT $m token $t /a Block1:0/1/16 ...");
      controller.abort("enough");
      assertEquals(await pending.catch((reason: unknown) => reason), "enough");
      assertEquals(late.canceled, "enough");
      await peer.hearsNothing(200_000);
    });

    it("is canceled while it is being read", async () => {
      let canceled: unknown = undefined;
      const payload = new ReadableStream<Uint8Array>({
        pull: () => new Promise(() => {}),
        cancel: (reason) => void (canceled = reason),
      });
      const controller = new AbortController();
      const pending = client.put(SERVER, { payload, signal: controller.signal });
      await net.after(1000);
      controller.abort("enough");
      assertEquals(await pending.catch((reason: unknown) => reason), "enough");
      await settle();
      assertEquals([canceled, net.sent.length], ["enough", 0]);
    });

    it("is canceled where the request fails", async () => {
      const timedOut = new Source(pieces(makeBody(5000), 100));
      const request = client.put("coap://192.0.2.1/", { payload: timedOut.stream });
      assertEquals(timedOut.canceled, undefined);
      const error = await net.run(failure(request));
      assertEquals(error.reason, "timeout");
      assertEquals(timedOut.canceled, error);

      const unknown = new Source([makeBody(10)]);
      const nowhere = failure(client.put("coap://nowhere.example/", { payload: unknown.stream }));
      assertEquals(unknown.canceled, undefined);
      assertEquals(unknown.canceled, undefined);
      assertEquals((await nowhere).reason, "name-resolution");
      assertEquals(unknown.canceled, await nowhere);

      await client.close();
      const closed = new Source([makeBody(10)]);
      const error2 = await failure(client.put(SERVER, { payload: closed.stream }));
      assertEquals([error2.reason, closed.canceled], ["closed", error2]);
    });

    it("is canceled where the server answers before it has all", async () => {
      const peer = await new NetworkPeer(net).bind();
      const source = new Source(pieces(makeBody(100), 16));
      const pending = client.put(`${SERVER}/a`, { payload: source.stream, blockSize: 16 });
      await peer.receives("CON PUT $m token $t /a Block1:0/1/16 ...");
      await peer.sends("ACK 4.03 $m token $t Block1:0/1/16");
      assertEquals((await pending).codeText, "4.03");
      assertEquals(source.canceled, "without a reason");
      await peer.hearsNothing(200_000);
    });

    it("must be free, and has no place in a GET", async () => {
      const { stream } = new Source([makeBody(10)]);
      stream.getReader();
      await assertRejects(() => client.put(SERVER, { payload: stream }), TypeError);
      const other = new Source([]);
      await assertRejects(() => client.get(SERVER, { payload: other.stream }), TypeError, '"GET"');
      assertEquals([other.pulls, other.canceled, net.sent.length], [0, undefined, 0]);
    });
  });

  describe("a response as a stream", () => {
    const body = makeBody(100);

    it("resolves with the first block, and asks for each further one when it is read", async () => {
      const peer = await new NetworkPeer(net).bind();
      client = net.client({ limits: { bodyBytes: 50 } });
      const pending = client.get(`${SERVER}/a`, { stream: true, blockSize: 32 });
      await peer.receives("CON GET $m0 token $t0 /a Block2:0/0/32");
      await peer.sends("ACK 2.05 $m0 token $t0 Block2:0/1/32", body.subarray(0, 32));
      const response = await pending;
      assertEquals(response.code, Code.Content);
      assertThrows(() => response.payload, TypeError, "streamed");
      assertThrows(() => response.text(), TypeError, "streamed");
      const reader = response.body.getReader();
      await peer.hearsNothing(10_000);
      assertEquals((await reader.read()).value, body.subarray(0, 32));
      await peer.hearsNothing(10_000);
      for (const [i, more] of [[1, 1], [2, 1], [3, 0]] as const) {
        const next = reader.read();
        await peer.receives(`CON GET $m${i} token $t${i} /a Block2:${i}/0/32`);
        const block = body.subarray(i * 32, i * 32 + 32);
        await peer.sends(`ACK 2.05 $m${i} token $t${i} Block2:${i}/${more}/32`, block);
        assertEquals((await next).value, block);
        if (more) await peer.hearsNothing(1000);
      }
      assertEquals((await reader.read()).done, true);
    });

    it("gives two reads at once a block each", async () => {
      await net.serve(() => new CoAPResponse(body));
      const response = await net.run(client.get(SERVER, { stream: true, blockSize: 32 }));
      const reader = response.body.getReader();
      const reads = Promise.all([reader.read(), reader.read(), reader.read(), reader.read()]);
      const blocks = (await net.run(reads)).map(({ value }) => value!.length);
      assertEquals(blocks, [32, 32, 32, 4]);
      assertEquals((await reader.read()).done, true);
    });

    it("is whole at once where it fits in a message", async () => {
      await net.serve((request) =>
        request.path[0] === "none"
          ? CoAPResponse.error(Code.NotFound, "no such")
          : new CoAPResponse(body)
      );
      const response = await net.run(client.get(SERVER, { stream: true }));
      assertEquals(response.payload, body);
      assertEquals(await readAll(response.body), body);
      const missing = await net.run(client.get(`${SERVER}/none`, { stream: true }));
      assertEquals(missing.text(), "no such");
    });

    it("ends with cancel: nothing more is asked for, and the process may end", async () => {
      let alive = true;
      client = net.client({
        transport: async (options, handler) => {
          const transport = await net.network.bind(options, handler);
          transport.ref = () => void (alive = true);
          transport.unref = () => void (alive = false);
          return transport;
        },
      });
      await net.serve(() => new CoAPResponse(body));
      const response = await net.run(client.get(SERVER, { stream: true, blockSize: 32 }));
      assert(alive);
      for await (const block of response.body) {
        assertEquals(block, body.subarray(0, 32));
        break; // cancels
      }
      assert(!alive);
      const sent = net.sent.length;
      await net.after(1000);
      assertEquals(net.sent.length, sent);
    });

    it("fails with the reason of an abort, a close or a lost server", async () => {
      const server = await net.serve(() => new CoAPResponse(body));
      const controller = new AbortController();
      const init = { stream: true, blockSize: 32 };
      const ask = (signal?: AbortSignal): Promise<CoAPResponse> =>
        net.run(client.get(`${SERVER}/a`, { ...init, signal }));
      const aborted = await ask(controller.signal);
      const closed = await ask();
      const lost = await ask();
      controller.abort("enough");
      assertEquals(await readAll(aborted.body).catch((reason: unknown) => reason), "enough");
      await server.close();
      const error = await net.run(failure(readAll(lost.body)));
      assertEquals(error.reason, "timeout");
      assertEquals(error.message, 'GET "coap://127.0.0.1/a": No response in time');
      await client.close();
      assertEquals((await failure(readAll(closed.body))).reason, "closed");
    });

    it("7959-2.4-9: fails where the resource changes on the way", async () => {
      let version = 1;
      await net.serve(() =>
        new CoAPResponse(makeBody(100, version), { etag: Uint8Array.of(version++) })
      );
      const response = await net.run(client.get(SERVER, { stream: true, blockSize: 32 }));
      await net.after(300_000); // the server has forgotten its first version
      const error = await net.run(failure(readAll(response.body)));
      assertEquals([error.reason, error.code], ["blockwise", 702]);
      assertEquals(
        error.message,
        'GET "coap://127.0.0.1": The resource changed while its blocks were fetched',
      );
    });

    it("is passed on as the payload of another request", async () => {
      let stored = new Uint8Array();
      const large = makeBody(10_000);
      await net.serve((request) => {
        if (request.method === "GET") return new CoAPResponse(large);
        stored = new Uint8Array(request.payload);
        return new CoAPResponse(undefined, { code: Code.Changed });
      });
      const source = await net.run(client.get(SERVER, { stream: true }));
      await net.run(client.put(SERVER, { payload: source.body }));
      assertEquals(stored, large);
    });
  });

  it("rejects a whole body beyond the limit, which it names", async () => {
    client = net.client({ limits: { bodyBytes: 5000 } });
    await net.serve(() => new CoAPResponse(makeBody(5001)));
    const error = await net.run(failure(client.get(SERVER)));
    assertEquals(error.reason, "blockwise");
    assertEquals(
      error.message,
      'GET "coap://127.0.0.1": Body is larger than the limit bodyBytes of 5000 bytes',
    );
  });

  it("7959-4-2: tells how far it has come, both ways, and asks for the total", async () => {
    await net.serve((request) => new CoAPResponse(request.payload));
    const heard: TransferProgress[] = [];
    const onProgress = (progress: TransferProgress): void => void heard.push(progress);
    await net.run(client.post(SERVER, { payload: makeBody(2500), onProgress }));
    assertEquals(heard, [
      { direction: "upload", bytes: 1024, total: 2500 },
      { direction: "upload", bytes: 2048, total: 2500 },
      { direction: "upload", bytes: 2500, total: 2500 },
      { direction: "download", bytes: 1024, total: 2500 },
      { direction: "download", bytes: 2048, total: 2500 },
      { direction: "download", bytes: 2500, total: 2500 },
    ]);
    const { stream } = new Source(pieces(makeBody(1500), 500));
    heard.length = 0;
    await net.run(client.post(SERVER, { payload: stream, onProgress }));
    assertEquals(heard.slice(0, 2), [
      { direction: "upload", bytes: 1024, total: undefined },
      { direction: "upload", bytes: 1500, total: 1500 },
    ]);
  });

  it("tells onError of what onProgress throws, and goes on", async () => {
    const errors: unknown[] = [];
    client = net.client({ onError: (error) => errors.push(error) });
    await net.serve(() => new CoAPResponse(makeBody(2000)));
    const careless = new Error("Careless");
    const onProgress = (): void => {
      throw careless;
    };
    const response = await net.run(client.get(SERVER, { onProgress }));
    assertEquals(response.payload, makeBody(2000));
    assertEquals(errors, [careless, careless]);
  });

  it("7959-2.2-3: refuses a size of blocks that is none", async () => {
    for (const blockSize of [8, 2048, 100, NaN]) {
      assertThrows(() => net.client({ blockSize }), RangeError, `"${blockSize}"`);
      await assertRejects(() => net.run(client.get(SERVER, { blockSize })), RangeError);
    }
    assertEquals(net.sent.length, 0);
  });

  describe("a block option of the caller's", () => {
    it("7959-2.4-7: gets one block of a resource, at random", async () => {
      const body = makeBody(1000);
      await net.serve(() => new CoAPResponse(body));
      const options = [[OptionNumber.Block2, encodeBlock(5, false, 2)]] as const;
      const response = await net.run(client.get(SERVER, { options }));
      assertEquals(response.payload, body.subarray(320, 384));
      assertEquals(net.messages.length, 2);
      const beyond = [[OptionNumber.Block2, encodeBlock(50, false, 2)]] as const;
      assertEquals((await net.run(client.get(SERVER, { options: beyond }))).codeText, "4.00");
    });

    it("sends one block of a payload", async () => {
      const peer = await new NetworkPeer(net).bind();
      const options = [[OptionNumber.Block1, encodeBlock(3, true, 0)]] as const;
      const pending = client.put(`${SERVER}/a`, { payload: makeBody(16), options });
      await peer.receives("CON PUT $m token $t /a Block1:3/1/16", makeBody(16));
      await peer.sends("ACK 2.31 $m token $t Block1:3/1/16");
      assertEquals((await pending).codeText, "2.31");
      await settle();
    });
  });
});
