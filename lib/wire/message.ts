/** Messages and their bytes over UDP and DTLS (RFC 7252 section 3). @module */

export { decode, hasToken, tokenLength } from "./decode.ts";
export { encode, encodeResponse } from "./encode.ts";
export {
  type CodecSettings,
  type FormatError,
  type FormatErrorReason,
  type Message,
  type MessageInit,
  MessageType,
} from "./message_format.ts";
