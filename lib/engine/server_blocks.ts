/** Bodies in blocks on the server's side: RFC 7959. @module */

import { Code, isSuccess } from "../wire/code.ts";
import type { Message } from "../wire/message.ts";
import {
  encodeUint,
  findOption,
  isNoCacheKey,
  type Option,
  OptionNumber,
  uintOption,
} from "../wire/option.ts";
import { blockSizeOf, blockValue, concat, szxOf, withBody } from "./assembly.ts";
import type { ServerExchange } from "./exchange.ts";
import type { Shared } from "./reliability.ts";
import type { Outline } from "./types.ts";

const UTF8 = new TextEncoder();
const NOTHING = new Uint8Array(0);
/** A client that finds no room tries again after this, s. */
const RETRY_AFTER = 30;

/** A request body on its way. */
interface Upload {
  /** Its first block. */
  readonly first: Message;
  readonly chunks: Uint8Array[];
  received: number;
  /** Where the block received last begins. */
  lastAt: number;
  expires: number;
}

/** A response whose further blocks will be asked for. */
interface Snapshot {
  readonly outline: Outline;
  readonly bytes: number;
  expires: number;
}

/** Names a request: its peer, method and the options that tell resources and representations apart. */
export function requestKey(peer: string, message: Message, withTag: boolean): string {
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
      case OptionNumber.RequestTag:
        if (!withTag) continue;
    }
    if (isNoCacheKey(number)) continue;
    key += ` ${number}:`;
    for (let i = 0; i < value.length; i++) key += String.fromCharCode(value[i]!);
  }
  return key;
}

/** An ETag of 8 bytes out of a body and its format: two FNV-1a hashes over different starts. */
function etagOf(outline: Outline): Uint8Array {
  const format = outline.options && uintOption(outline.options, OptionNumber.ContentFormat);
  const payload = outline.payload!;
  let a = 0x811c9dc5 ^ (format ?? -1);
  let b = 0x01000193 ^ payload.length;
  for (let i = 0; i < payload.length; i++) {
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

/** Puts request bodies together and hands responses out in blocks. */
export class ServerBlocks {
  readonly #shared: Shared;
  readonly #blockSize: number;
  readonly #uploads = new Map<string, Upload>();
  readonly #snapshots = new Map<string, Snapshot>();
  #uploadBytes = 0;
  #snapshotBytes = 0;

  constructor(shared: Shared, blockSize: number) {
    this.#shared = shared;
    this.#blockSize = blockSize;
  }

  /** Transfers that state is kept for. */
  get size(): number {
    return this.#uploads.size + this.#snapshots.size;
  }

  /** Bytes of their bodies. */
  get bytes(): number {
    return this.#uploadBytes + this.#snapshotBytes;
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
    if ((block1 ?? 0) % 8 === 7 || (block2 ?? 0) % 8 === 7) {
      return withText(Code.BadRequest, "SZX 7 is reserved");
    }
    exchange.block2 = block2;
    if (block1 !== undefined) return this.#receiveBlock(now, exchange, block1);
    if (block2! >>> 4 === 0) return undefined;
    const key = requestKey(exchange.peer.key, message, false);
    const snapshot = this.#snapshots.get(key);
    if (snapshot !== undefined) {
      this.#snapshots.delete(key);
      snapshot.expires = now + this.#shared.parameters.exchangeLifetime;
      this.#snapshots.set(key, snapshot);
      return this.#slice(snapshot.outline, block2!);
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
    const size = blockSizeOf(block & 7);
    const offset = number * size;
    if (more && payload.length !== size) {
      return withText(Code.BadRequest, `Block of ${size} bytes came with ${payload.length}`);
    }
    const announced = number === 0 ? uintOption(message.options, OptionNumber.Size1) ?? 0 : 0;
    exchange.block1 = block & ~8;
    if (
      offset + payload.length > limits.bodyBytes || announced > limits.bodyBytes ||
      (more && number === 0xfffff)
    ) {
      const value = encodeUint(Math.min(limits.bodyBytes, 0xffffffff));
      const options = [{ number: OptionNumber.Size1, value }];
      return { code: Code.RequestEntityTooLarge, options };
    }
    const key = requestKey(exchange.peer.key, message, true);
    let upload = this.#uploads.get(key);
    if (number === 0) {
      if (upload !== undefined) this.#drop(key, upload);
      if (!more) return undefined;
      if (this.#full(payload.length)) return this.#refuse();
      upload = { first: message, chunks: [payload], received: size, lastAt: 0, expires: 0 };
      this.#uploadBytes += size;
    } else {
      if (upload === undefined) {
        return withText(Code.RequestEntityIncomplete, "No block 0 is known");
      }
      const format = uintOption(upload.first.options, OptionNumber.ContentFormat);
      if (uintOption(message.options, OptionNumber.ContentFormat) !== format) {
        this.#drop(key, upload);
        return withText(Code.RequestEntityIncomplete, "Blocks differ in Content-Format");
      }
      const repeated = more && offset === upload.lastAt && offset + size === upload.received;
      if (offset !== upload.received && !repeated) {
        return withText(Code.RequestEntityIncomplete, `Byte ${upload.received} on is missing`);
      }
      if (!repeated) {
        if (this.#uploadBytes + payload.length > limits.transferBytes) {
          this.#drop(key, upload);
          return this.#refuse();
        }
        upload.lastAt = offset;
        upload.received += payload.length;
        upload.chunks.push(payload);
        this.#uploadBytes += payload.length;
      }
    }
    if (!more) {
      this.#drop(key, upload);
      exchange.request = this.#whole(upload, message);
      return undefined;
    }
    this.#uploads.delete(key);
    upload.expires = now + parameters.exchangeLifetime;
    this.#uploads.set(key, upload);
    // A smaller SZX asks the client to go on with smaller blocks.
    exchange.block1 = number * 16 + 8 + Math.min(block & 7, szxOf(this.#blockSize));
    return { code: Code.Continue };
  }

  #full(bytes: number): boolean {
    const { limits } = this.#shared;
    return this.#uploads.size >= limits.transfers ||
      this.#uploadBytes + bytes > limits.transferBytes;
  }

  #refuse(): Outline {
    this.#shared.stats.rejectedLimit++;
    const options = [{ number: OptionNumber.MaxAge, value: encodeUint(RETRY_AFTER) }];
    return { code: Code.ServiceUnavailable, options };
  }

  #drop(key: string, upload: Upload): void {
    this.#uploads.delete(key);
    this.#uploadBytes -= upload.received;
  }

  /** The request as if it had come in one. Conditions may stand in its first block alone. */
  #whole(upload: Upload, last: Message): Message {
    const conditions = upload.first.options.filter(({ number }) =>
      (number === OptionNumber.IfMatch || number === OptionNumber.IfNoneMatch) &&
      findOption(last.options, number) === undefined
    );
    const rest = last.options.filter(({ number }) => number !== OptionNumber.Block1);
    const options = [...conditions, ...rest].sort((a, b) => a.number - b.number);
    return withBody(last, options, concat(upload.chunks, upload.received));
  }

  // -------------------------------------------------------------- responses

  /** Gives a response the Block options it needs and cuts it to one block. */
  shape(now: number, exchange: ServerExchange, outline: Outline): Outline {
    const { block1, block2 } = exchange;
    const length = outline.payload === undefined ? 0 : outline.payload.length;
    if (block1 !== undefined) {
      const options = [...outline.options ?? [], {
        number: OptionNumber.Block1,
        value: encodeUint(block1),
      }];
      outline = { ...outline, options };
    }
    if (block2 === undefined && length <= this.#blockSize) return outline;
    if (outline.options && findOption(outline.options, OptionNumber.Block2)) return outline;
    const asked = block2 ?? szxOf(this.#blockSize);
    const size = Math.min(blockSizeOf(asked & 7), this.#blockSize);
    if (length <= size && asked >>> 4 === 0) {
      return block2 === undefined || !isSuccess(outline.code)
        ? outline
        : this.#slice(outline, asked);
    }
    if (exchange.request.options.some(({ number }) => number === OptionNumber.Size2)) {
      const options = [...outline.options ?? [], {
        number: OptionNumber.Size2,
        value: encodeUint(length),
      }];
      outline = { ...outline, options };
    }
    const kept = this.#keep(now, exchange.peer.key, exchange.request, outline);
    return this.#slice(kept, asked);
  }

  /** The first block of a response in a smaller size, or undefined where it does not get smaller. */
  cut(now: number, exchange: ServerExchange, outline: Outline, size: number): Outline | undefined {
    const { peer, request } = exchange;
    if ((outline.payload?.length ?? 0) <= size) return undefined;
    const block = outline.options && uintOption(outline.options, OptionNumber.Block2);
    if (block === undefined) {
      return this.#slice(this.#keep(now, peer.key, request, outline), szxOf(size));
    }
    const kept = this.#snapshots.get(requestKey(peer.key, request, false));
    return kept && this.#slice(kept.outline, szxOf(size));
  }

  /** Keeps a response for the requests that fetch its further blocks; gives it an ETag where it has none. */
  #keep(now: number, peer: string, request: Message, outline: Outline): Outline {
    const { limits, parameters } = this.#shared;
    const kept = this.identify(outline);
    const bytes = outline.payload!.length;
    const key = requestKey(peer, request, false);
    const old = this.#snapshots.get(key);
    if (old !== undefined) this.#forget(key, old);
    for (const [oldest, snapshot] of this.#snapshots) {
      if (
        this.#snapshots.size < limits.transfers &&
        this.#snapshotBytes + bytes <= limits.transferBytes
      ) break;
      this.#forget(oldest, snapshot);
    }
    // The Block1 that acknowledges the request belongs to its first response alone.
    const further = (kept.options ?? []).filter(({ number }) => number !== OptionNumber.Block1);
    const expires = now + parameters.exchangeLifetime;
    this.#snapshots.set(key, { outline: { ...kept, options: further }, bytes, expires });
    this.#snapshotBytes += bytes;
    return kept;
  }

  /** Gives a response an ETag where it has none, so that its blocks are told from those of another state. */
  identify(outline: Outline): Outline {
    const { options = [] } = outline;
    if (!isSuccess(outline.code) || findOption(options, OptionNumber.ETag) !== undefined) {
      return outline;
    }
    return {
      ...outline,
      options: [...options, { number: OptionNumber.ETag, value: etagOf(outline) }],
    };
  }

  #forget(key: string, snapshot: Snapshot): void {
    this.#snapshots.delete(key);
    this.#snapshotBytes -= snapshot.bytes;
  }

  /** Block `asked` of a response. */
  #slice(outline: Outline, asked: number): Outline {
    const payload = outline.payload ?? NOTHING;
    const size = Math.min(blockSizeOf(asked & 7), this.#blockSize);
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

  /** The first block of a notification for one observer, the rest of which it will fetch. */
  notification(
    now: number,
    peer: string,
    request: Message,
    outline: Outline,
    szx: number,
  ): Outline {
    return this.#slice(this.#keep(now, peer, request, outline), szx);
  }

  // -------------------------------------------------------------- time

  /** When the first transfer is abandoned, ms. */
  get deadline(): number {
    let at = Infinity;
    for (const upload of this.#uploads.values()) {
      at = upload.expires;
      break;
    }
    for (const snapshot of this.#snapshots.values()) {
      at = Math.min(at, snapshot.expires);
      break;
    }
    return at;
  }

  /** Forgets abandoned transfers. */
  tick(now: number): void {
    for (const [key, upload] of this.#uploads) {
      if (upload.expires > now) break;
      this.#drop(key, upload);
    }
    for (const [key, snapshot] of this.#snapshots) {
      if (snapshot.expires > now) break;
      this.#forget(key, snapshot);
    }
  }
}
