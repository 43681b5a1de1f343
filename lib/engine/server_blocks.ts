/** Bodies in blocks on the server's side: RFC 7959. @module */

import { Code, isSuccess } from "../wire/code.ts";
import { bytesKey } from "../wire/bytes.ts";
import type { Message } from "../wire/message.ts";
import {
  encodeUint,
  findOption,
  isNoCacheKey,
  type Option,
  OptionNumber,
  uintOption,
} from "../wire/option.ts";
import {
  blockSizeOf,
  blockValue,
  Body,
  isUneven,
  szxOf,
  withBody,
  withOptions,
} from "./assembly.ts";
import type { BlockRule, BlockRules } from "./block_rules.ts";
import type { ServerExchange } from "./exchange.ts";
import type { Shared } from "./layers.ts";
import { Room, type Transfer, Transfers } from "./transfers.ts";
import type { Outline } from "./types.ts";

const UTF8 = new TextEncoder();
const NOTHING = new Uint8Array(0);
/** A client that finds no room tries again after this, s. */
const RETRY_AFTER = 30;

/** A request body on its way. */
interface Upload extends Transfer {
  /** Content-Format and conditions of its first block, which is not kept itself: a datagram can have 60,000 options. */
  readonly format: number | undefined;
  readonly conditions: readonly Option[];
  readonly body: Body;
  /** Where the block received last begins. */
  lastAt: number;
}

/** A response whose further blocks will be asked for. */
interface Snapshot extends Transfer {
  readonly outline: Outline;
}

/**
 * Names a request: its peer, method and the options that tell resources, representations and transfers apart. Lengths
 * stand before the values, so that no value reads like several.
 */
export function requestKey(peer: string, message: Message): string {
  let key = `${peer} ${message.code}`;
  for (const { number, value } of message.options) {
    switch (number) {
      case OptionNumber.IfMatch:
      case OptionNumber.ETag:
      case OptionNumber.IfNoneMatch:
      case OptionNumber.Observe:
      case OptionNumber.ContentFormat:
      case OptionNumber.Block1:
      case OptionNumber.Block2:
        continue;
    }
    if (isNoCacheKey(number)) continue;
    key += ` ${number},${value.length}:${bytesKey(value)}`;
  }
  return key;
}

/** An ETag of 8 bytes out of a body and its format: two hashes in the manner of FNV-1a, over different starts. */
export function etagOf(outline: Outline): Uint8Array {
  const format = outline.options && uintOption(outline.options, OptionNumber.ContentFormat);
  const payload = outline.payload!;
  let a = 0x811c9dc5 ^ (format ?? -1);
  let b = 0x01000193 ^ payload.length;
  const whole = payload.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    // Four bytes in a step: every block of a large body waits for this.
    const word = payload[i]! | payload[i + 1]! << 8 | payload[i + 2]! << 16 | payload[i + 3]! << 24;
    a = Math.imul(a ^ word, 0x01000193);
    a ^= a >>> 15;
    b = Math.imul(b ^ word, 0x85ebca6b) ^ (b >>> 13);
  }
  for (let i = whole; i < payload.length; i++) {
    a = Math.imul(a ^ payload[i]!, 0x01000193);
    b = Math.imul(b ^ payload[i]!, 0x85ebca6b) ^ (b >>> 13);
  }
  const etag = new Uint8Array(8);
  new DataView(etag.buffer).setInt32(0, a);
  new DataView(etag.buffer).setInt32(4, b);
  return etag;
}

function withText(code: number, text: string): Outline {
  return { code, payload: UTF8.encode(text) };
}

function withOption(outline: Outline, number: number, value: Uint8Array): Outline {
  return withOptions(outline, [...outline.options ?? [], { number, value }]);
}

/** Bytes of the block that a Block2 asks for; with SZX 7 we may choose. */
export function sizeFor(asked: number, { size }: BlockRule): number {
  return (asked & 7) === 7 ? size : Math.min(blockSizeOf(asked & 7), size);
}

function withoutBlock1(options: readonly Option[]): Option[] {
  return options.filter(({ number }) => number !== OptionNumber.Block1);
}

/** Copies of the options that make a request conditional. */
function conditionsOf(options: readonly Option[]): Option[] {
  return options
    .filter(({ number }) => number === OptionNumber.IfMatch || number === OptionNumber.IfNoneMatch)
    .map(({ number, value }) => ({ number, value: value.slice() }));
}

/** Puts request bodies together and hands responses out in blocks. */
export class ServerBlocks {
  readonly #shared: Shared;
  readonly rules: BlockRules;
  readonly #uploads: Transfers<Upload>;
  readonly #snapshots: Transfers<Snapshot>;

  constructor(shared: Shared, rules: BlockRules) {
    this.#shared = shared;
    this.rules = rules;
    this.#uploads = new Transfers(shared.limits);
    this.#snapshots = new Transfers(shared.limits);
  }

  /** Transfers that state is kept for. */
  get size(): number {
    return this.#uploads.size + this.#snapshots.size;
  }

  /** Bytes of their bodies. */
  get bytes(): number {
    return this.#uploads.bytes + this.#snapshots.bytes;
  }

  // -------------------------------------------------------------- requests

  /**
   * Looks at the Block options of a request. Answers what to respond at once, or undefined where the application is
   * to see the request, whole by then.
   */
  receive(now: number, exchange: ServerExchange): Outline | undefined {
    const message = exchange.request;
    const block1 = uintOption(message.options, OptionNumber.Block1);
    const block2 = uintOption(message.options, OptionNumber.Block2);
    if (block1 === undefined && block2 === undefined) return undefined;
    const bert = (block1 ?? 0) % 8 === 7 || (block2 ?? 0) % 8 === 7;
    if (bert && !this.rules.takesBert(exchange.peer)) {
      return withText(Code.BadRequest, "SZX 7 is reserved");
    }
    exchange.block2 = block2;
    if (block1 !== undefined) return this.#receiveBlock(now, exchange, block1);
    if (block2! >>> 4 === 0) return undefined;
    const key = requestKey(exchange.peer.key, message);
    const snapshot = this.#snapshots.get(key);
    if (snapshot !== undefined) {
      snapshot.expires = now + this.#shared.parameters.exchangeLifetime;
      this.#snapshots.touch(key, snapshot);
      const { outline } = snapshot;
      return this.slice(outline, block2!, this.rules.for(exchange.peer, outline.options));
    }
    // A safe request may run again for its further blocks; another one's response is gone.
    return message.code === Code.GET ? undefined : { code: Code.RequestEntityIncomplete };
  }

  #receiveBlock(now: number, exchange: ServerExchange, block: number): Outline | undefined {
    const { limits, parameters } = this.#shared;
    const message = exchange.request;
    const { payload } = message;
    const number = block >>> 4;
    const more = (block & 8) !== 0;
    const szx = block & 7;
    const size = blockSizeOf(szx);
    const offset = number * size;
    if (more && isUneven(payload, szx)) {
      return withText(Code.BadRequest, `Block of ${size} bytes came with ${payload.length}`);
    }
    const announced = number === 0 ? uintOption(message.options, OptionNumber.Size1) ?? 0 : 0;
    exchange.block1 = block & ~8;
    const peer = exchange.peer.key;
    const key = requestKey(peer, message);
    let upload = this.#uploads.get(key);
    if (
      offset + payload.length > limits.bodyBytes || announced > limits.bodyBytes ||
      (more && number + Math.ceil(payload.length / size) > 0xfffff)
    ) {
      this.#uploads.delete(key);
      const value = encodeUint(Math.min(limits.bodyBytes, 0xffffffff));
      const options = [{ number: OptionNumber.Size1, value }];
      return { code: Code.RequestEntityTooLarge, options };
    }
    if (number === 0) {
      this.#uploads.delete(key);
      if (!more) {
        exchange.request = withBody(message, withoutBlock1(message.options), payload);
        return undefined;
      }
      const body = new Body(payload);
      upload = {
        peer,
        format: uintOption(message.options, OptionNumber.ContentFormat),
        conditions: conditionsOf(message.options),
        body,
        lastAt: 0,
        bytes: body.capacity,
        expires: 0,
      };
      const room = this.#uploads.room(peer, 1, body.capacity);
      if (room !== Room.Free) return this.#refuse(room);
      this.#uploads.add(key, upload);
    } else {
      if (upload === undefined) {
        return withText(Code.RequestEntityIncomplete, "No block 0 is known");
      }
      if (uintOption(message.options, OptionNumber.ContentFormat) !== upload.format) {
        this.#uploads.delete(key);
        return withText(Code.RequestEntityIncomplete, "Blocks differ in Content-Format");
      }
      const { body } = upload;
      const repeated = more && offset === upload.lastAt && offset + payload.length === body.length;
      if (offset !== body.length && !repeated) {
        return withText(Code.RequestEntityIncomplete, `Byte ${body.length} on is missing`);
      }
      if (!repeated) {
        upload.lastAt = offset;
        body.append(payload);
        this.#uploads.grow(upload, body.capacity);
      }
    }
    if (!more) {
      this.#uploads.delete(key);
      exchange.request = this.#whole(upload, message);
      return undefined;
    }
    const room = this.#uploads.room(peer, 0, 0);
    if (room !== Room.Free) {
      this.#uploads.delete(key);
      return this.#refuse(room);
    }
    upload.expires = now + parameters.exchangeLifetime;
    this.#uploads.touch(key, upload);
    // A smaller SZX asks the client to go on with smaller blocks.
    exchange.block1 = number * 16 + 8 + Math.min(szx, this.rules.szx(exchange.peer));
    return { code: Code.Continue };
  }

  /** It is told whether the peer alone has too many (RFC 8516) or all have. */
  #refuse(room: number): Outline {
    this.#shared.stats.rejectedLimit++;
    const options = [{ number: OptionNumber.MaxAge, value: encodeUint(RETRY_AFTER) }];
    const code = room === Room.PeerFull ? Code.TooManyRequests : Code.ServiceUnavailable;
    return { code, options };
  }

  /** The request as if it had come in one. Conditions may stand in its first block alone. */
  #whole(upload: Upload, last: Message): Message {
    const conditions = upload.conditions.filter(({ number }) =>
      findOption(last.options, number) === undefined
    );
    const options = [...conditions, ...withoutBlock1(last.options)]
      .sort((a, b) => a.number - b.number);
    return withBody(last, options, upload.body.bytes);
  }

  // -------------------------------------------------------------- responses

  /** Gives a response the Block options it needs and cuts it to one block. */
  shape(now: number, exchange: ServerExchange, outline: Outline): Outline {
    const { block1, block2 } = exchange;
    const length = outline.payload === undefined ? 0 : outline.payload.length;
    if (block1 !== undefined) {
      outline = withOption(outline, OptionNumber.Block1, encodeUint(block1));
    }
    const rule = this.rules.for(exchange.peer, outline.options);
    if (block2 === undefined && length <= rule.whole) return outline;
    if (outline.options && findOption(outline.options, OptionNumber.Block2)) return outline;
    const asked = block2 ?? szxOf(rule.size);
    if (length <= sizeFor(asked, rule)) {
      // An error and 2.03 are about the whole, whichever block was asked for.
      const whole = !isSuccess(outline.code) || outline.code === Code.Valid;
      return whole ? outline : this.slice(outline, asked, rule);
    }
    if (exchange.request.options.some(({ number }) => number === OptionNumber.Size2)) {
      outline = withOption(outline, OptionNumber.Size2, encodeUint(length));
    }
    const kept = this.identify(outline);
    this.keep(now, exchange.peer.key, exchange.request, kept);
    return this.slice(kept, asked, rule);
  }

  /** A response or a block of it in a smaller size, or undefined where it does not get smaller. */
  cut(now: number, exchange: ServerExchange, outline: Outline, size: number): Outline | undefined {
    const { peer, request } = exchange;
    if ((outline.payload?.length ?? 0) <= size) return undefined;
    const block = outline.options && uintOption(outline.options, OptionNumber.Block2);
    const rule = { whole: size, size };
    if (block === undefined) {
      const kept = this.identify(outline);
      this.keep(now, peer.key, request, kept);
      return this.slice(kept, szxOf(size), rule);
    }
    const kept = this.#snapshots.get(requestKey(peer.key, request));
    if (kept === undefined) return undefined;
    const options = outline.options!.filter(({ number }) => number !== OptionNumber.Block2);
    const whole = { code: outline.code, options, payload: kept.outline.payload };
    const offset = (block >>> 4) * blockSizeOf(block & 7);
    return this.slice(whole, blockValue(offset, false, size), rule);
  }

  /** Keeps a response for the requests that fetch its further blocks. */
  keep(now: number, peer: string, request: Message, outline: Outline): void {
    const bytes = outline.payload!.length;
    const key = requestKey(peer, request);
    this.#snapshots.delete(key);
    if (!this.#snapshots.makeRoom(peer, bytes)) return;
    // The Block1 that acknowledges the request and the Observe belong to the first response alone.
    const options = (outline.options ?? []).filter(({ number }) =>
      number !== OptionNumber.Block1 && number !== OptionNumber.Observe
    );
    const expires = now + this.#shared.parameters.exchangeLifetime;
    this.#snapshots.add(key, { peer, outline: withOptions(outline, options), bytes, expires });
  }

  /** Gives a response an ETag where it has none, so that its blocks are told from those of another state. */
  identify(outline: Outline): Outline {
    const { options = [] } = outline;
    if (!isSuccess(outline.code) || findOption(options, OptionNumber.ETag) !== undefined) {
      return outline;
    }
    return withOption(outline, OptionNumber.ETag, etagOf(outline));
  }

  /** Block `asked` of a response. */
  slice(outline: Outline, asked: number, rule: BlockRule): Outline {
    const payload = outline.payload ?? NOTHING;
    const size = sizeFor(asked, rule);
    const offset = (asked >>> 4) * blockSizeOf(asked & 7);
    if (offset > 0 && offset >= payload.length) {
      return withText(Code.BadRequest, `Body ends before byte ${offset}`);
    }
    const more = offset + size < payload.length;
    const options: Option[] = [...outline.options ?? [], {
      number: OptionNumber.Block2,
      value: encodeUint(blockValue(offset, more, size)),
    }];
    return { code: outline.code, options, payload: payload.subarray(offset, offset + size) };
  }

  /** Gives up what a peer has begun that is gone. */
  forget(peer: string): void {
    this.#uploads.deletePeer(peer);
    this.#snapshots.deletePeer(peer);
  }

  // -------------------------------------------------------------- time

  /** When the first transfer is abandoned, ms. */
  get deadline(): number {
    return Math.min(this.#uploads.deadline, this.#snapshots.deadline);
  }

  /** Forgets abandoned transfers. */
  tick(now: number): void {
    this.#uploads.expire(now);
    this.#snapshots.expire(now);
  }
}
