/** Server cases for bodies in blocks: RFC 7959. @module */

import { type ServerCase, serverCase } from "./case.ts";
import {
  blockOf,
  blockValue,
  build,
  type Datagram,
  Opt,
  type OptionSpec,
  textOf,
  toHex,
  uintOption,
  valueOf,
} from "./datagram.ts";
import { meet } from "./server_messages.ts";
import type { Tester } from "./tester.ts";
import {
  blockRequest,
  bodyOf,
  continueWith,
  download,
  holds,
  locationOf,
  sendBlock,
  TEXT,
  upload,
} from "./transfers.ts";

const UPDATE = { code: "0.03", path: "/large-update" };

/** A request with a block option that is what it is. */
function rawBlock(t: Tester, path: string, value: number, payload: Uint8Array): Promise<Datagram> {
  return t.request({ code: "0.03", path, options: [TEXT, [Opt.Block1, value]], payload });
}

/** The cases. */
export const BLOCK_CASES: readonly ServerCase[] = [
  serverCase("7959-2.1-2", { needs: ["/large"] }, async (t: Tester) => {
    const options: OptionSpec[] = [[Opt.Block2, blockValue(0, false, 64)]];
    const response = await t.request({ path: "/large", options }, { code: ["2.05", "4.02"] });
    t.note(response.code);
    if (response.code !== "2.05") return;
    const block = blockOf(t.match(response, { has: [Opt.Block2] }), Opt.Block2)!;
    t.check(block.number === 0 && block.size <= 64, "block 0 of at most 64 bytes", response);
  }),
  serverCase("7959-2.1-3", { needs: ["/test"] }, async (t: Tester) => {
    await meet(t, "M124");
    const payload = new Uint8Array(16);
    const block: OptionSpec = [Opt.Block1, blockValue(0, false, 16)];
    await t.request({ code: "0.03", path: "/test", options: [TEXT, block, block], payload }, {
      code: "4.02",
    });
  }),
  serverCase("7959-2.2-1", { needs: ["/large"] }, async (t: Tester) => {
    for (const size of [16, 32, 64, 128, 256, 512, 1024]) {
      const options: OptionSpec[] = [[Opt.Block2, blockValue(1, false, size)]];
      const response = await t.request({ path: "/large", options }, {
        code: "2.05",
        has: [Opt.Block2],
      });
      const block = blockOf(response, Opt.Block2)!;
      t.check(block.number === 1 && block.size === size, `block 1 of ${size} bytes`, response);
    }
  }),
  serverCase("7959-2.2-2", { needs: ["/large"] }, async (t: Tester) => {
    const options: OptionSpec[] = [[Opt.Block2, 0]];
    const response = await t.request({ path: "/large", options }, {
      code: "2.05",
      has: [Opt.Block2],
    });
    t.check(response.payload.length === 16, "a block of 16 bytes", response);
  }),
  serverCase("7959-2.2-3", { needs: ["/large", "/large-update"] }, async (t: Tester) => {
    const plain = await t.request({ path: "/large" }, { code: "2.05", has: [Opt.Block2] });
    t.check(blockOf(plain, Opt.Block2)!.size <= 1024, "blocks of at most 1024 bytes", plain);
    const first = await sendBlock(t, { ...UPDATE, body: bodyOf(2048), size: 1024 }, 0);
    t.match(first, { code: ["2.31", "2.04", "4.13"] });
    const size = blockOf(first, Opt.Block1)?.size ?? 0;
    t.check(size <= 1024, "blocks of at most 1024 bytes", first);
  }),
  serverCase("7959-2.2-4", { needs: ["/test"] }, async (t: Tester) => {
    await meet(t, "M125");
    t.match(await rawBlock(t, "/test", 7, new Uint8Array(8)), { code: "4.00" });
  }),
  serverCase("7959-2.2-6", { needs: ["/large"] }, async (t: Tester) => {
    const options: OptionSpec[] = [[Opt.Block2, blockValue(0, true, 64)]];
    const response = await t.request({ path: "/large", options }, {
      code: "2.05",
      has: [Opt.Block2],
    });
    const block = blockOf(response, Opt.Block2)!;
    t.check(block.number === 0 && block.size <= 64, "block 0 of at most 64 bytes", response);
  }),
  serverCase("7959-2.3-1", { needs: ["/test"] }, async (t: Tester) => {
    const short = await rawBlock(t, "/large-update", blockValue(0, true, 64), new Uint8Array(63));
    t.note(short.code);
    t.match(short, { code: ["4.00", "4.08"] });
  }),
  serverCase("7959-2.3-2", { needs: ["/large-update"] }, async (t: Tester) => {
    for (const length of [65, 96, 128]) {
      const body = bodyOf(length, length);
      t.match(await upload(t, { ...UPDATE, body, size: 64 }), { code: "2.04" });
      await holds(t, "/large-update", body);
    }
    // A last block that is longer than its size is taken as it is or refused, never cut.
    const first = bodyOf(64);
    t.match(await rawBlock(t, "/large-update", blockValue(0, true, 64), first), { code: "2.31" });
    const rest = bodyOf(100, 500);
    const last = await rawBlock(t, "/large-update", blockValue(1, false, 64), rest);
    t.note(last.code);
    t.match(last, { code: ["2.04", "4.00", "4.08", "4.13"] });
    if (last.code === "2.04") await holds(t, "/large-update", Uint8Array.from([...first, ...rest]));
  }),
  serverCase("7959-2.3-4", { needs: ["/large-update"] }, async (t: Tester) => {
    const first = await sendBlock(t, { ...UPDATE, body: bodyOf(200), size: 64 }, 0);
    const { more } = blockOf(first, Opt.Block1) ?? { more: undefined };
    t.match(first, { code: ["2.31", "2.04"], hasNot: [Opt.Block2] });
    t.check(more === (first.code === "2.31"), "M set in a 2.31 alone", first);
    t.note(first.code === "2.31" ? "atomic" : "stateless");
  }),
  serverCase("7959-2.3-5", { needs: ["/large-update"] }, async (t: Tester) => {
    const what = { ...UPDATE, body: bodyOf(128), size: 64 };
    await continueWith(t, what, 0);
    const options: OptionSpec[] = [[Opt.ContentFormat, 50], [Opt.Block1, blockValue(1, false, 64)]];
    const payload = what.body.subarray(64);
    const { code } = await t.request({ ...UPDATE, options, payload }, { code: "4." });
    t.note(code);
  }),
  serverCase("7959-2.3-6", { needs: ["/large"] }, async (t: Tester) => {
    // Each block is an exchange of its own: under the same token, and under another.
    const token = t.token();
    for (const number of [0, 1, 2]) {
      const options: OptionSpec[] = [[Opt.Block2, blockValue(number, false, 256)]];
      const own = number === 2 ? t.token() : token;
      const response = await t.request({ path: "/large", options, token: own }, { code: "2.05" });
      t.check(blockOf(response, Opt.Block2)?.number === number, `block ${number}`, response);
    }
  }),
  serverCase("7959-2.4-3", { needs: ["/large"] }, async (t: Tester) => {
    for (const size of [16, 64, 256]) {
      const options: OptionSpec[] = [[Opt.Block2, blockValue(0, false, size)]];
      const response = await t.request({ path: "/large", options }, {
        code: "2.05",
        has: [Opt.Block2],
      });
      const block = blockOf(response, Opt.Block2)!;
      t.check(
        block.size <= size && response.payload.length <= size,
        `at most ${size} bytes`,
        response,
      );
    }
  }),
  serverCase("7959-2.4-5", { needs: ["/large"] }, async (t: Tester) => {
    const { responses } = await download(t, "/large", 128);
    const sizes = new Set(responses.map((response) => blockOf(response, Opt.Block2)?.size));
    t.check(sizes.size === 1, "blocks of one size", [...sizes].join());
  }),
  serverCase("7959-2.4-7", { needs: ["/large"] }, async (t: Tester) => {
    const { body } = await download(t, "/large", 64);
    for (const number of [3, 0, 7]) {
      const options: OptionSpec[] = [[Opt.Block2, blockValue(number, false, 64)]];
      await t.request({ path: "/large", options }, {
        code: "2.05",
        payload: body.slice(number * 64, number * 64 + 64),
      });
    }
    const options: OptionSpec[] = [[Opt.Block2, blockValue(1000, false, 64)]];
    const { code } = await t.request({ path: "/large", options }, { code: "4." });
    t.note(code);
  }),
  serverCase("7959-2.4-8", { needs: ["/large-update"] }, async (t: Tester) => {
    const tags: string[] = [];
    for (const seed of [1, 2]) {
      t.match(await upload(t, { ...UPDATE, body: bodyOf(300, seed), size: 256 }), { code: "2.04" });
      const { responses } = await download(t, "/large-update", 64);
      for (const response of responses) t.match(response, { has: [Opt.ETag] });
      tags.push(toHex(valueOf(responses[0]!, Opt.ETag)!));
    }
    t.check(tags[0] !== tags[1], "another ETag for another body", tags[1]);
  }),
  serverCase("7959-2.4-12", { needs: ["/large"], slow: true }, async (t: Tester) => {
    const { body } = await download(t, "/large", 64);
    await t.wait(300_000);
    const options: OptionSpec[] = [[Opt.Block2, blockValue(1, false, 64)]];
    const response = await t.request({ path: "/large", options }, { code: ["2.05", "4."] });
    t.note(response.code);
    if (response.code === "2.05") t.match(response, { payload: body.slice(64, 128) });
  }),
  serverCase("7959-2.5-2", { needs: ["/large-update"] }, async (t: Tester) => {
    const body = bodyOf(200, 7);
    const what = { ...UPDATE, body, size: 64 };
    for (const number of [0, 1, 2]) await continueWith(t, what, number);
    const last = await sendBlock(t, what, 3);
    t.match(last, { code: "2.04", has: [Opt.Block1] });
    const block = blockOf(last, Opt.Block1)!;
    t.check(block.number === 3 && !block.more, "Block1 3/0", last);
    await holds(t, "/large-update", body);
  }),
  serverCase("7959-2.5-3", { needs: ["/large-update"] }, async (t: Tester) => {
    await meet(t, "M128");
    t.match(await sendBlock(t, { ...UPDATE, body: bodyOf(190), size: 64 }, 2), { code: "4.08" });
  }),
  serverCase("7959-2.5-4", { needs: ["/large-update"] }, async (t: Tester) => {
    const what = { ...UPDATE, body: bodyOf(300), size: 64 };
    await continueWith(t, what, 0);
    const second = await sendBlock(t, what, 2);
    t.note(second.code);
    t.match(second, { code: ["4.08", "2.31"] });
  }),
  serverCase("7959-2.5-6", { needs: ["/large-update"] }, async (t: Tester) => {
    const old = { ...UPDATE, body: bodyOf(192, 100), size: 64 };
    const body = bodyOf(128, 900);
    await continueWith(t, old, 0);
    await continueWith(t, old, 1);
    t.match(await upload(t, { ...UPDATE, body, size: 64 }), { code: "2.04" });
    await holds(t, "/large-update", body);
  }),
  serverCase("7959-2.5-7", { needs: ["/large-create"] }, async (t: Tester) => {
    const other = await t.other();
    const base = { code: "0.02", path: "/large-create", size: 64 };
    const [a, b] = [{ ...base, body: bodyOf(128, 1) }, { ...base, body: bodyOf(128, 2) }];
    await continueWith(t, a, 0);
    await continueWith(other, b, 0);
    for (const [tester, what] of [[t, a], [other, b]] as const) {
      const done = await sendBlock(tester, what, 1);
      tester.match(done, { code: "2.01", has: [Opt.LocationPath] });
      await holds(tester, locationOf(done), what.body);
    }
  }),
  serverCase("7959-2.5-8", { needs: ["/large-update"], slow: true }, async (t: Tester) => {
    const what = { ...UPDATE, body: bodyOf(128), size: 64 };
    await continueWith(t, what, 0);
    await t.wait(300_000);
    const { code } = t.match(await sendBlock(t, what, 1), { code: ["4.08", "2.04"] });
    t.note(code === "4.08" ? "forgotten" : "kept");
  }),
  serverCase("7959-2.5-9", { needs: ["/large-update"] }, async (t: Tester) => {
    const options: OptionSpec[] = [[Opt.Size1, 1_000_000_000]];
    const what = { ...UPDATE, body: bodyOf(128 * 1024), size: 1024, options };
    const response = await upload(t, what);
    if (response.code.startsWith("2.")) t.notApplicable("the server takes 128 KiB");
    t.match(response, { code: "4.13" });
  }),
  serverCase("7252-5.9-3", { needs: ["/large-update"] }, async (t: Tester) => {
    const response = await upload(t, {
      ...UPDATE,
      path: "/limited",
      body: bodyOf(2048),
      size: 1024,
    });
    if (response.code === "4.04") t.notApplicable("the server has no /limited");
    if (response.code < "4") t.notApplicable("the server takes 2 KiB");
    t.match(response, { code: "4.13", has: [Opt.Size1] });
    t.check(uintOption(response, Opt.Size1) === 1024, "Size1 1024", response);
  }),
  serverCase("7959-4-4", { needs: ["/large", "/large-update"] }, async (t: Tester) => {
    const options: OptionSpec[] = [[Opt.Size2, 0], [Opt.Block2, blockValue(0, false, 64)]];
    const response = await t.request({ path: "/large", options }, { code: "2.05" });
    const size = uintOption(response, Opt.Size2);
    const { body } = await download(t, "/large", 256);
    t.note(size === undefined ? "no Size2" : "Size2 given");
    t.check(size === undefined || size === body.length, `Size2 ${body.length} or none`, response);
  }),
  serverCase("7959-2.5-11", { needs: ["/large-update"] }, async (t: Tester) => {
    const body = bodyOf(64, 33);
    const response = await sendBlock(t, { ...UPDATE, body, size: 64 }, 0);
    t.match(response, { code: "2.04", has: [Opt.Block1] });
    const block = blockOf(response, Opt.Block1)!;
    t.check(block.number === 0 && !block.more && block.size <= 64, "Block1 0/0/64", response);
    await holds(t, "/large-update", body);
  }),
  serverCase("7959-2.5-12", { needs: ["/large-update"] }, async (t: Tester) => {
    const what = { ...UPDATE, body: bodyOf(256), size: 64 };
    for (const number of [0, 1, 2, 3]) {
      const response = await sendBlock(t, what, number);
      t.check(
        blockOf(response, Opt.Block1)?.number === number,
        `Block1 with number ${number}`,
        response,
      );
    }
  }),
  serverCase("7959-2.5-13", { needs: ["/large-update"] }, async (t: Tester) => {
    const what = { ...UPDATE, body: bodyOf(192, 41), size: 64 };
    await continueWith(t, what, 0);
    const middle = blockRequest(t, what, 1);
    const answers: string[] = [];
    for (let i = 0; i < 2; i++) {
      t.sendBytes(build(middle));
      answers.push(toHex((await t.expect({ code: "2.31", token: middle.token })).bytes));
    }
    t.check(answers[0] === answers[1], answers[0]!, answers[1]);
    t.match(await sendBlock(t, what, 2), { code: "2.04" });
    await holds(t, "/large-update", what.body);
  }),
  serverCase("7959-2.5-14", { needs: ["/large-update"] }, async (t: Tester) => {
    const before = bodyOf(64, 5);
    t.match(await upload(t, { ...UPDATE, body: before, size: 64 }), { code: "2.04" });
    const what = { ...UPDATE, body: bodyOf(192, 43), size: 64 };
    await continueWith(t, what, 0);
    await continueWith(t, what, 1);
    const again = t.match(await sendBlock(t, what, 1), { code: ["2.31", "4.08"] });
    const last = t.match(await sendBlock(t, what, 2), { code: ["2.04", "4.08"] });
    t.note(`${again.code}, then ${last.code}`);
    await holds(t, "/large-update", last.code === "2.04" ? what.body : before);
  }),
  serverCase("7959-2.7-1", { needs: ["/large"] }, async (t: Tester) => {
    const body = bodyOf(2560, 3).map((byte) => byte === 48 ? 97 : byte); // letters, to be upper-cased
    const post = { code: "0.02", path: "/large-post" };
    let response = await upload(t, { ...post, body, size: 1024 });
    if (response.code === "4.04") t.notApplicable("the server has no /large-post");
    t.match(response, { code: "2.04", has: [Opt.Block1, Opt.Block2] });
    const parts = [...response.payload];
    while (blockOf(response, Opt.Block2)!.more) {
      const { size } = blockOf(response, Opt.Block2)!;
      const number = parts.length / size;
      const options: OptionSpec[] = [TEXT, [Opt.Block2, blockValue(number, false, size)]];
      response = await t.request({ ...post, options }, { code: "2.04", has: [Opt.Block2] });
      t.check(blockOf(response, Opt.Block2)!.number === number, `block ${number}`, response);
      parts.push(...response.payload);
    }
    const expected = textOf(body).toUpperCase();
    t.check(
      textOf(Uint8Array.from(parts)) === expected,
      "the body in capitals",
      `${parts.length} bytes`,
    );
  }),
  serverCase("7959-2.7-3", { needs: ["/large"] }, async (t: Tester) => {
    const body = bodyOf(128, 3);
    const post = { code: "0.02", path: "/large-post", body, size: 64 };
    const first = await sendBlock(t, post, 0);
    if (first.code === "4.04") t.notApplicable("the server has no /large-post");
    t.match(first, { code: "2.31" });
    const options: OptionSpec[] = [[Opt.Block2, blockValue(0, false, 32)]];
    const last = await sendBlock(t, { ...post, options }, 1);
    t.match(last, { code: "2.04", has: [Opt.Block1, Opt.Block2] });
    const block = blockOf(last, Opt.Block2)!;
    t.check(
      block.number === 0 && block.size <= 32 && block.more,
      "block 0 of at most 32 bytes",
      last,
    );
  }),
  serverCase("7959-2.9-1", { needs: ["/large-update"] }, async (t: Tester) => {
    const first = await sendBlock(t, { ...UPDATE, body: bodyOf(128), size: 64 }, 0);
    if (first.code === "2.04") t.notApplicable("the server takes blocks one by one");
    t.match(first, { code: "2.31", payload: new Uint8Array(0) });
  }),
  serverCase("7959-7-1", { needs: ["/large-update"], slow: true }, async (t: Tester) => {
    const codes = new Set<string>();
    for (let i = 0; i < 100; i++) {
      const other = await t.other();
      codes.add((await sendBlock(other, { ...UPDATE, body: bodyOf(2048), size: 1024 }, 0)).code);
    }
    for (const code of codes) {
      t.note(code);
      t.check(["2.31", "2.04", "4.13", "5.03"].includes(code), "2.31, 4.13 or 5.03", code);
    }
    await t.alive();
  }),
  serverCase("7959-7-2", { needs: ["/large-update"] }, async (t: Tester) => {
    for (const more of [true, false]) {
      const value = blockValue(1_048_575, more, 1024);
      const response = await rawBlock(t, "/large-update", value, bodyOf(1024));
      t.note(response.code);
      t.match(response, { code: ["4.08", "4.13", "4.00"] });
    }
  }),
];
