/** The arithmetic of blockwise transfers (RFC 7959). @module */

import {
  blockMore,
  blockNumber,
  blockSize,
  blockSzx,
  Code,
  codeClass,
  codeText,
  findOption,
  type Message,
  OptionNumber,
  uintOption,
} from "../lib/wire/mod.ts";
import { hexOf } from "./message_text.ts";
import { type Finding, remark, violation } from "./replay_finding.ts";

/** A block option taken apart. */
interface Block {
  number: number;
  more: boolean;
  szx: number;
  size: number;
  /** Where in the body its block begins. */
  offset: number;
}

/** What one block has in common with the next. */
interface Kind {
  contentFormat: number | undefined;
  etag: string | undefined;
}

/** How far the transfers of one resource between two endpoints have come. */
export class Transfers {
  /** Where the next block of the request's body begins. */
  #next: number | undefined = undefined;
  #upload: Kind | undefined = undefined;
  /** The block sizes that the server has settled on. */
  #uploadSzx: number = 6;
  #downloadSzx: number | undefined = undefined;
  #download: Kind | undefined = undefined;

  /** Judges a request that is no repetition. */
  request(message: Message): Finding[] {
    const findings: Finding[] = [];
    const { payload, options, code } = message;
    const block2 = blockOf(message, OptionNumber.Block2, findings);
    if (block2 !== undefined) {
      if (block2.more) {
        findings.push(violation("7959-2.2-6", "Block2 of a request must not say that more follow"));
      }
      if (block2.number === 0) this.#downloadSzx = undefined;
      else if (this.#downloadSzx !== undefined && block2.szx > this.#downloadSzx) {
        const text = `The server has chosen blocks of ${blockSize(this.#downloadSzx)} bytes`;
        findings.push(violation("7959-2.3-3", text));
      }
    }
    const block1 = blockOf(message, OptionNumber.Block1, findings);
    if (block1 === undefined) {
      if (block2 !== undefined && block2.number > 0 && payload.length > 0 && code !== Code.FETCH) {
        findings.push(remark("7959-2.7-1", "The request for a further block has a payload"));
      }
      return findings;
    }
    checkSize(block1, payload.length, findings);
    const kind = kindOf(message);
    if (block1.number === 0) {
      this.#uploadSzx = 6;
    } else {
      if (this.#next === undefined) {
        findings.push(remark("7959-2.5-5", `The body begins with block ${block1.number}`));
      } else if (block1.offset !== this.#next) {
        const text = `The block begins at byte ${block1.offset}: the next was ${this.#next}`;
        findings.push(remark("7959-2.5-5", text));
      }
      if (block1.szx > this.#uploadSzx) {
        const text = `The server asked for blocks of ${blockSize(this.#uploadSzx)} bytes`;
        findings.push(remark("7959-2.5-1", text));
      }
      if (this.#upload !== undefined && this.#upload.contentFormat !== kind.contentFormat) {
        findings.push(violation("7959-2.3-5", "Blocks of one body have different Content-Formats"));
      }
      if (findOption(options, OptionNumber.IfNoneMatch) !== undefined) {
        findings.push(violation("7959-2.10-1", "If-None-Match goes with the first block alone"));
      }
    }
    this.#upload = kind;
    this.#next = block1.offset + payload.length;
    return findings;
  }

  /** Judges the response to a request, or a notification. */
  response(request: Message, message: Message, notification: boolean): Finding[] {
    const findings: Finding[] = [];
    this.#acknowledged(request, message, findings);
    const { payload, code } = message;
    const asked = blockOf(request, OptionNumber.Block2, []);
    const block = blockOf(message, OptionNumber.Block2, findings);
    if (block === undefined) {
      if (asked !== undefined && asked.number > 0 && codeClass(code) === 2) {
        findings.push(violation("7959-2.1-2", `Block ${asked.number} was asked for`));
      }
      return findings;
    }
    checkSize(block, payload.length, findings);
    const offset = notification ? 0 : asked?.offset ?? 0;
    if (block.offset !== offset) {
      const text = `The block begins at byte ${block.offset}: that at ${offset} was due`;
      findings.push(violation(notification ? "7959-2.6-1" : "7959-2.4-14", text));
    }
    if (asked !== undefined && block.szx > asked.szx) {
      const text = `At most ${asked.size} bytes were asked for: the blocks have ${block.size}`;
      findings.push(notification ? remark("7959-2.6-4", text) : violation("7959-2.4-3", text));
    }
    const kind = kindOf(message);
    if (block.number > 0 && this.#download !== undefined) {
      if (kind.etag !== this.#download.etag) {
        findings.push(remark("7959-2.4-9", "Another ETag than before: the parts do not fit"));
      }
      if (kind.contentFormat !== this.#download.contentFormat) {
        findings.push(violation("7959-2.3-5", "Blocks of one body have different Content-Formats"));
      }
    }
    this.#download = kind;
    this.#downloadSzx = block.szx;
    return findings;
  }

  /** What a response says of the request's block. */
  #acknowledged(request: Message, response: Message, findings: Finding[]): void {
    const { code, payload } = response;
    const sent = blockOf(request, OptionNumber.Block1, []);
    const block = blockOf(response, OptionNumber.Block1, findings);
    const success = codeClass(code) === 2;
    if (code === Code.Continue) {
      if (!sent?.more) {
        findings.push(violation("7959-2.5-2", "2.31 answers blocks that more follow"));
      }
      if (payload.length > 0) findings.push(remark("7959-2.9-1", "2.31 has no payload"));
    } else if (block?.more && success) {
      const text = `Block1 says that the body is not acted on yet: the code is ${codeText(code)}`;
      findings.push(violation("7959-2.3-4", text));
    }
    if (block === undefined) {
      if (sent !== undefined && success) {
        findings.push(remark("7959-2.5-12", "The response does not say which block it is about"));
      }
    } else if (sent === undefined) {
      // 4.13 tells by it how large blocks may be.
      if (code !== Code.RequestEntityTooLarge) {
        findings.push(violation("7959-2.5-12", "Block1 answers a request without it"));
      }
    } else {
      if (block.number !== sent.number) {
        const text = `Block ${sent.number} was sent: the response is about ${block.number}`;
        findings.push(violation("7959-2.5-12", text));
      }
      if (block.szx > sent.szx) {
        findings.push(remark("7959-2.5-1", "The server asks for larger blocks than it got"));
      }
      this.#uploadSzx = block.szx;
    }
  }
}

function blockOf(
  { options }: Pick<Message, "options">,
  option: number,
  findings: Finding[],
): Block | undefined {
  const value = uintOption(options, option);
  if (value === undefined) return undefined;
  const number = blockNumber(value);
  const szx = blockSzx(value);
  if (szx === 7) {
    findings.push(violation("7959-2.2-3", "The size exponent 7 is reserved over UDP"));
  }
  const size = blockSize(szx);
  return { number, more: blockMore(value), szx, size, offset: number * size };
}

function checkSize({ more, size }: Block, length: number, findings: Finding[]): void {
  if (more && length !== size) {
    const text = `A block that others follow has ${size} bytes: this one has ${length}`;
    findings.push(violation("7959-2.3-1", text));
  } else if (length > size) {
    findings.push(remark("7959-2.3-2", `The last block has ${length} bytes, more than ${size}`));
  }
}

function kindOf({ options }: Message): Kind {
  const etag = findOption(options, OptionNumber.ETag);
  return {
    contentFormat: uintOption(options, OptionNumber.ContentFormat),
    etag: etag && hexOf(etag.value),
  };
}
