/** How large a body may be to go in one message, and in what blocks it goes else. @module */

import type { Limits } from "../parameters.ts";
import type { Option } from "../wire/option.ts";
import { BASE_MESSAGE_SIZE } from "../wire/signaling.ts";
import { BERT_UNIT, szxOf } from "./assembly.ts";
import type { Peer } from "./peers.ts";

/** The rule for one message. */
export interface BlockRule {
  /** The largest body that goes whole, bytes. */
  readonly whole: number;
  /** Bytes of the blocks of a larger one: a power of two up to 1024, or a multiple of 1024 above it, which is BERT. */
  readonly size: number;
}

/** Header, length, payload marker, and the Block, Size and ETag options that the engine adds. */
const OVERHEAD = 48;
/** An option's number and length at most. */
const OPTION_HEADER = 5;

/** The block sizes of an engine. */
export class BlockRules {
  readonly #fixed: BlockRule;
  readonly #explicit: boolean;
  readonly #messageBytes: number;

  /** @param blockSize the largest blocks, undefined where the caller leaves that to us */
  constructor(blockSize: number | undefined, limits: Readonly<Limits>) {
    const size = blockSize ?? BERT_UNIT;
    this.#fixed = { whole: size, size };
    this.#explicit = blockSize !== undefined;
    this.#messageBytes = limits.messageBytes;
  }

  /**
   * The rule for a message to a peer.
   *
   * @param own block size of this request
   */
  for(peer: Peer | undefined, options: readonly Option[] | undefined, own?: number): BlockRule {
    const connection = peer?.connection;
    if (connection === undefined) {
      return own === undefined ? this.#fixed : { whole: own, size: own };
    }
    let room = Math.min(connection.maxMessageSize, this.#messageBytes) - OVERHEAD;
    // Tokens of more than 8 bytes are counted where the options are.
    for (const { value } of options ?? []) room -= OPTION_HEADER + value.length;
    const asked = own ?? (this.#explicit ? this.#fixed.size : undefined);
    const bert = connection.blockwise && connection.maxMessageSize > BASE_MESSAGE_SIZE;
    if (asked === undefined && bert && room >= 2 * BERT_UNIT) {
      return { whole: room, size: room - room % BERT_UNIT };
    }
    const largest = Math.min(asked ?? BERT_UNIT, BERT_UNIT);
    const size = room >= largest ? largest : room < 16 ? 16 : 1 << (31 - Math.clz32(room));
    return { whole: asked === undefined ? Math.max(room, size) : size, size };
  }

  /** Largest blocks to ask for, bytes. */
  preferred(peer: Peer | undefined, own?: number): number {
    const bounded = own !== undefined || this.#explicit || !this.takesBert(peer);
    return bounded ? own ?? this.#fixed.size : this.#messageBytes;
  }

  /** SZX of the largest blocks that a peer is asked to go on with. */
  szx(peer: Peer): number {
    return szxOf(this.preferred(peer));
  }

  /** Whether we have said that we take blocks of SZX 7 from a peer (RFC 8323 section 5.3.2). */
  takesBert(peer: Peer | undefined): boolean {
    return peer?.connection !== undefined && this.#messageBytes > BASE_MESSAGE_SIZE;
  }
}
