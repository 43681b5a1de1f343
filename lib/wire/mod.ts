/**
 * CoAP messages, options, codes, URIs and links: bytes to values and back, without state and without I/O.
 *
 * @module
 */

export {
  blockMore,
  blockNumber,
  blockSize,
  blockSzx,
  decodeBlock,
  encodeBlock,
  MAX_BLOCK_NUMBER,
} from "./block_option.ts";
export {
  Code,
  codeClass,
  codeName,
  codeText,
  isRequestCode,
  isResponseCode,
  isSuccess,
  parseCode,
} from "./code.ts";
export { contentCoding, ContentFormat, contentFormat, mediaType } from "./content_format.ts";
export { decodeFrame, encodeFrame, type FrameSettings, frameSize } from "./frame.ts";
export { canonicalIPv6, isIPv4, isIPv6 } from "./ip_address.ts";
export {
  filterLinks,
  formatLinks,
  type Link,
  type LinkAttribute,
  linkAttribute,
  linkValues,
  parseLinks,
} from "./link_format.ts";
export {
  type CodecSettings,
  decode,
  encode,
  type FormatError,
  type FormatErrorReason,
  type Message,
  type MessageInit,
  MessageType,
} from "./message.ts";
export {
  checkRequestOptions,
  checkResponseOptions,
  decodeUint,
  encodeUint,
  findOption,
  findOptions,
  isCritical,
  isNoCacheKey,
  isUnsafe,
  makeOption,
  type Option,
  type OptionDefinition,
  optionDefinition,
  type OptionFormat,
  optionName,
  OptionNumber,
  type OptionUse,
  stringOptions,
  uintOption,
} from "./option.ts";
export {
  BASE_MESSAGE_SIZE,
  checkSignalingOptions,
  findSignalingOption,
  SignalingOption,
  signalingOption,
  type SignalingOptionDefinition,
} from "./signaling.ts";
export {
  composeUri,
  decomposeUri,
  equalUris,
  locationReference,
  normalizeUri,
  resolveUri,
  type UriDestination,
  type UriInit,
  type UriParts,
  type UriScheme,
} from "./uri.ts";
