/** Client cases for bodies in blocks: RFC 7959. @module */

import { type ClientCase, clientCase, pathOf, type Script } from "./client_case.ts";
import {
  blockOf,
  blockValue,
  bytesOf,
  type Datagram,
  Opt,
  type OptionSpec,
  valuesOf,
} from "./datagram.ts";

/** Answers GETs of a body block by block. */
async function serveBlocks(
  s: Script,
  body: string,
  size: number,
  first?: Datagram,
): Promise<Datagram[]> {
  const bytes = bytesOf(body);
  const requests: Datagram[] = [];
  for (let number = 0;; number++) {
    const request = number === 0 && first !== undefined ? first : await s.request();
    requests.push(request);
    const asked = blockOf(request, Opt.Block2);
    if (number > 0) {
      s.check(
        asked?.number === number && asked.size === size,
        `Block2 ${number}/0/${size}`,
        request,
      );
      s.check(!asked?.more, "Block2 without M", request);
    }
    const more = (number + 1) * size < bytes.length;
    s.answer(request, {
      options: [[Opt.ETag, "v1"], [Opt.Block2, blockValue(number, more, size)]],
      payload: bytes.subarray(number * size, (number + 1) * size),
    });
    if (!more) return requests;
  }
}

const LONG = Array.from({ length: 30 }, (_, i) => `${i} is a number, `).join("");
const PUT_BODY = new Uint8Array(2500).fill(0x61);

/** The cases. */
export const CLIENT_BLOCK_CASES: readonly ClientCase[] = [
  clientCase("7959-2.2-5", {}, async (s: Script) => {
    s.start();
    s.answer(await s.request(), { options: [[Opt.Block2, 0x0f]], payload: new Uint8Array(1024) });
    await s.silence();
    await s.fails();
  }),
  clientCase("7959-2.4-1", {}, async (s: Script) => {
    s.start({ path: "/large?a=1" });
    const [first, ...rest] = await serveBlocks(s, LONG, 64);
    for (const request of rest) {
      s.check(pathOf(request) === pathOf(first!), "the same path", request);
      s.check(valuesOf(request, Opt.UriQuery).length === 1, "the same query", request);
    }
    await s.delivers(LONG);
  }),
  clientCase("7959-2.3-3", {}, async (s: Script) => {
    s.start({ path: "/large" });
    const bytes = bytesOf(LONG).subarray(0, 160);
    const answer = (request: Datagram, number: number, size: number): void => {
      const [start, end] = [number * size, number * size + size];
      const options: OptionSpec[] = [
        [Opt.ETag, "v1"],
        [Opt.Block2, blockValue(number, end < bytes.length, size)],
      ];
      s.answer(request, { options, payload: bytes.subarray(start, end) });
    };
    answer(await s.request(), 0, 64);
    const second = await s.request();
    s.check(blockOf(second, Opt.Block2)?.number === 1, "Block2 1/0/64", second);
    answer(second, 2, 32); // the same place, in smaller blocks
    for (let number = 3; number < 5; number++) {
      const next = await s.request();
      const block = blockOf(next, Opt.Block2);
      const isRight = block?.number === number && block.size === 32;
      s.check(isRight, `Block2 ${number}/0/32`, next);
      answer(next, number, 32);
    }
    await s.delivers(LONG.slice(0, 160));
  }),
  clientCase("7959-2.4-4", {}, async (s: Script) => {
    s.start({ path: "/large" });
    await serveBlocks(s, LONG, 32);
    await s.delivers(LONG);
  }),
  clientCase("7959-2.4-9", {}, async (s: Script) => {
    s.start({ path: "/large" });
    const size = 64;
    const block = (number: number, more: boolean, etag: string): OptionSpec[] => [
      [Opt.ETag, etag],
      [Opt.Block2, blockValue(number, more, size)],
    ];
    s.answer(await s.request(), { options: block(0, true, "v1"), payload: "a".repeat(64) });
    s.answer(await s.request(), { options: block(1, false, "v2"), payload: "b".repeat(10) });
    const outcome = await Promise.race([s.outcome(), s.wait(500)]);
    s.check(outcome?.payload !== "a".repeat(64) + "b".repeat(10), "no mixture", "a mixture");
    s.note(outcome?.error ?? "begins again");
  }),
  clientCase("7959-2.4-10", {}, async (s: Script) => {
    s.start({ path: "/large" });
    const block = (number: number): OptionSpec => [Opt.Block2, blockValue(number, number < 1, 16)];
    s.answer(await s.request(), {
      options: [[Opt.ETag, "v1"], block(0)],
      payload: "0123456789abcdef",
    });
    s.answer(await s.request(), { options: [block(1)], payload: "without" });
    const outcome = await Promise.race([s.outcome(), s.wait(500)]);
    s.check(outcome?.payload !== "0123456789abcdefwithout", "no mixture", "a mixture");
    s.note(outcome?.error ?? "begins again");
  }),
  clientCase("7959-2.4-11", {}, async (s: Script) => {
    s.start({ path: "/large" });
    const options: OptionSpec[] = [[Opt.Size2, 5], [Opt.Block2, blockValue(0, true, 16)]];
    s.answer(await s.request(), { options, payload: "0123456789abcdef" });
    s.answer(await s.request(), {
      options: [[Opt.Block2, blockValue(1, false, 16)]],
      payload: "end",
    });
    await s.delivers("0123456789abcdefend");
  }),
  clientCase("7959-2.4-13", {}, async (s: Script) => {
    s.start({ path: "/large" });
    let last = s.now;
    for (let number = 0; number < 4; number++) {
      const request = await s.request();
      s.check(
        s.now - last < 2_000,
        "the next request within 2 s",
        `${Math.round(s.now - last)} ms`,
      );
      const options: OptionSpec[] = [[Opt.Block2, blockValue(number, number < 3, 16)]];
      s.answer(request, { options, payload: "0123456789abcdef" });
      last = s.now;
    }
    await s.delivers("0123456789abcdef".repeat(4));
  }),
  clientCase("7959-2.4-14", {}, async (s: Script) => {
    s.start({ path: "/large" });
    const block = (number: number): OptionSpec[] => [[Opt.Block2, blockValue(number, true, 16)]];
    s.answer(await s.request(), { options: block(0), payload: "0123456789abcdef" });
    s.answer(await s.request(), { options: block(5), payload: "0123456789abcdef" });
    const outcome = await Promise.race([s.outcome(), s.wait(500)]);
    s.check(outcome?.payload === undefined, "no body out of wrong blocks", outcome?.payload);
  }),
  clientCase("7959-2.5-1", {}, async (s: Script) => {
    s.start({ method: "PUT", path: "/large-update", payload: PUT_BODY });
    const first = await s.request();
    const block = blockOf(first, Opt.Block1);
    if (block === undefined) s.notApplicable("the client sends 2500 bytes in one message");
    s.check(block!.number === 0 && block!.more, "Block1 0/1", first);
    s.answer(first, {
      code: "2.31",
      payload: "",
      options: [[Opt.Block1, blockValue(0, true, 64)]],
    });
    const second = await s.request();
    const next = blockOf(second, Opt.Block1)!;
    s.note(`${next.number}/1/${next.size}`);
    const at = next.number * next.size;
    s.check(at === first.payload.length, `a block at byte ${first.payload.length}`, second);
    s.check(next.size === 64, "blocks of 64 bytes", second);
    s.say({ type: "RST", id: second.id });
    await s.outcome();
  }),
  clientCase("7959-2.5-5", {}, async (s: Script) => {
    s.start({ method: "PUT", path: "/large-update", payload: PUT_BODY });
    let at = 0;
    for (;;) {
      const request = await s.request();
      const block = blockOf(request, Opt.Block1);
      if (block === undefined) s.notApplicable("the client sends 2500 bytes in one message");
      s.check(block!.number * block!.size === at, `a block at byte ${at}`, request);
      s.check(!block!.more || request.payload.length === block!.size, "a full block", request);
      at += request.payload.length;
      const value = blockValue(block!.number, block!.more, block!.size);
      s.answer(request, {
        code: block!.more ? "2.31" : "2.04",
        payload: "",
        options: [[Opt.Block1, value]],
      });
      if (!block!.more) break;
    }
    s.check(at === PUT_BODY.length, `${PUT_BODY.length} bytes`, `${at}`);
    await s.delivers("", "2.04");
  }),
  clientCase("7959-2.5-10", {}, async (s: Script) => {
    s.start({ method: "PUT", path: "/large-update", payload: PUT_BODY });
    const first = await s.request();
    const block = blockOf(first, Opt.Block1);
    if (block === undefined || block.size <= 64) s.notApplicable("no large block is sent");
    s.answer(first, {
      code: "4.13",
      payload: "",
      options: [[Opt.Block1, blockValue(0, false, 64)]],
    });
    const second = await s.request();
    const next = blockOf(second, Opt.Block1);
    s.check(next?.number === 0 && next.more, "the first block again", second);
    s.check(next!.size <= 64 && second.payload.length === next!.size, "64 bytes of it", second);
    s.say({ type: "RST", id: second.id });
    await s.outcome();
  }),
];
