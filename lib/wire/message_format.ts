/** What a message is (RFC 7252 section 3). @module */

import type { Option } from "./option.ts";

/** The message types of RFC 7252 section 4.2 and 4.3. */
export const MessageType = {
  /** To be acknowledged. */
  Confirmable: 0,
  /** Not to be acknowledged. */
  NonConfirmable: 1,
  /** Acknowledges a Confirmable message, with or without a response. */
  Acknowledgement: 2,
  /** The message was received, but its context is missing. */
  Reset: 3,
} as const;

/** One of the four message types. */
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/**
 * Why a datagram is no message. After `too-short` and `version` nothing may be answered: there is no message ID,
 * or it may not be one.
 *
 * | reason | what is wrong | offset |
 * | --- | --- | --- |
 * | `too-short` | fewer than 4 bytes | 0 |
 * | `version` | a version other than 1 | 0 |
 * | `token-length` | a token length that is reserved | 0 |
 * | `token-truncated` | fewer bytes than the token's length | 4 |
 * | `empty-message` | code 0.00 with anything behind the message ID | 4, or 0 where only the token's length says so |
 * | `option-delta` | delta 15 that is no payload marker | the option's |
 * | `option-length` | length 15 | the option's |
 * | `option-extension-truncated` | fewer bytes than the extended delta and length | the option's |
 * | `option-value-truncated` | fewer bytes than the value's length | the option's |
 * | `option-number` | a number above 65535 | the option's |
 * | `payload-missing` | a payload marker with nothing behind it | the marker's |
 * | `frame-length` | a length of RFC 8323 that is not that of the frame | 0 |
 */
export type FormatErrorReason =
  | "too-short"
  | "version"
  | "token-length"
  | "token-truncated"
  | "empty-message"
  | "option-delta"
  | "option-length"
  | "option-extension-truncated"
  | "option-value-truncated"
  | "option-number"
  | "payload-missing"
  | "frame-length";

/** A message format error. */
export interface FormatError {
  /** What is wrong. */
  readonly reason: FormatErrorReason;
  /** Where in the datagram the element at fault begins, bytes. */
  readonly offset: number;
}

/**
 * A message.
 *
 * `token` and `payload` of a decoded message are accessors that share the datagram's memory: do not write to
 * them, and copy a message by naming its properties, since `{ ...message }` leaves the accessors out.
 */
export interface Message {
  /** Confirmable, Non-confirmable, Acknowledgement or Reset; over reliable transports Confirmable. */
  readonly type: MessageType;
  /** The code, 0 to 255; see `Code`. */
  readonly code: number;
  /** The message ID, 0 to 65535; over reliable transports 0. */
  readonly id: number;
  /** The token, 0 to 8 bytes, or up to 65804 with extended tokens. */
  readonly token: Uint8Array;
  /** The options in ascending order. */
  readonly options: readonly Option[];
  /** The payload, empty where there is none. */
  readonly payload: Uint8Array;
  /**
   * Why the datagram is no message; undefined for a good one. A message with an error has no token, options
   * and payload, and type, code and ID only where `reason` is neither `too-short` nor `version`.
   */
  readonly error?: FormatError | undefined;
}

/** What `encode` needs to know of a message. */
export interface MessageInit {
  /** The code, 0 to 255; see `Code`. */
  readonly code: number;
  /**
   * The message type.
   *
   * @default {MessageType.Confirmable}
   */
  readonly type?: MessageType | undefined;
  /**
   * The message ID, 0 to 65535.
   *
   * @default {0}
   */
  readonly id?: number | undefined;
  /** The token, 0 to 8 bytes; up to 65804 with `extendedTokens`. Empty by default. */
  readonly token?: Uint8Array | undefined;
  /** The options in any order; those of one number keep theirs. None by default. */
  readonly options?: readonly Option[] | undefined;
  /** The payload. Empty by default. */
  readonly payload?: Uint8Array | undefined;
}

/** How messages are read and written. */
export interface CodecSettings {
  /**
   * Whether tokens may have more than 8 bytes (RFC 8974).
   *
   * @default {false}
   */
  extendedTokens?: boolean;
  /**
   * Whether `encode` refuses options of an illegal length, repeated ones that may occur only once, and those that
   * belong to requests in a response or the reverse. Without, what a peer has sent can be written again byte for byte.
   *
   * @default {true}
   */
  checkOptions?: boolean;
}

/** The byte between options and payload. */
export const PAYLOAD_MARKER = 0xff;
