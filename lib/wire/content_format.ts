/** Content-Formats: numbers for media types (RFC 7252 section 12.3 and later registrations). @module */

/**
 * Content-Format numbers of the IANA registry that are in common use. Others may be used as plain numbers,
 * 0 to 65535.
 *
 * @example A number for a media type, and back
 * ```ts
 * import { ContentFormat, contentFormat, mediaType } from "@x/coap/wire";
 *
 * console.log(contentFormat("application/json") === ContentFormat.JSON, mediaType(60)); // true application/cbor
 * ```
 */
export const ContentFormat = {
  /** text/plain; charset=utf-8 */
  Text: 0,
  /** application/cose; cose-type="cose-encrypt0", RFC 9052 */
  COSEEncrypt0: 16,
  /** application/cose; cose-type="cose-mac0", RFC 9052 */
  COSEMac0: 17,
  /** application/cose; cose-type="cose-sign1", RFC 9052 */
  COSESign1: 18,
  /** application/ace+cbor, RFC 9200 */
  ACE: 19,
  /** image/gif */
  GIF: 21,
  /** image/jpeg */
  JPEG: 22,
  /** image/png */
  PNG: 23,
  /** application/link-format, RFC 6690 */
  LinkFormat: 40,
  /** application/xml */
  XML: 41,
  /** application/octet-stream */
  OctetStream: 42,
  /** application/exi */
  EXI: 47,
  /** application/json */
  JSON: 50,
  /** application/json-patch+json, RFC 6902 */
  JSONPatch: 51,
  /** application/merge-patch+json, RFC 7396 */
  MergePatch: 52,
  /** application/cbor, RFC 8949 */
  CBOR: 60,
  /** application/cwt, RFC 8392 */
  CWT: 61,
  /** application/multipart-core, RFC 8710 */
  Multipart: 62,
  /** application/cbor-seq, RFC 8742 */
  CBORSequence: 63,
  /** application/cose; cose-type="cose-encrypt", RFC 9052 */
  COSEEncrypt: 96,
  /** application/cose; cose-type="cose-mac", RFC 9052 */
  COSEMac: 97,
  /** application/cose; cose-type="cose-sign", RFC 9052 */
  COSESign: 98,
  /** application/cose-key, RFC 9052 */
  COSEKey: 101,
  /** application/cose-key-set, RFC 9052 */
  COSEKeySet: 102,
  /** application/senml+json, RFC 8428 */
  SenMLJSON: 110,
  /** application/sensml+json, RFC 8428 */
  SenSMLJSON: 111,
  /** application/senml+cbor, RFC 8428 */
  SenMLCBOR: 112,
  /** application/sensml+cbor, RFC 8428 */
  SenSMLCBOR: 113,
  /** application/senml-exi, RFC 8428 */
  SenMLEXI: 114,
  /** application/sensml-exi, RFC 8428 */
  SenSMLEXI: 115,
  /** application/concise-problem-details+cbor, RFC 9290 */
  ProblemDetails: 257,
  /** application/missing-blocks+cbor-seq, RFC 9177 */
  MissingBlocks: 272,
  /** application/senml+xml, RFC 8428 */
  SenMLXML: 310,
  /** application/sensml+xml, RFC 8428 */
  SenSMLXML: 311,
  /** application/senml-etch+json, RFC 8790 */
  SenMLEtchJSON: 320,
  /** application/senml-etch+cbor, RFC 8790 */
  SenMLEtchCBOR: 322,
  /** application/td+json, W3C Web of Things */
  ThingDescription: 432,
  /** application/oscore, RFC 8613 */
  OSCORE: 10001,
  /** application/javascript */
  JavaScript: 10002,
  /** application/json in the coding deflate (RFC 9110 section 8.4.1.2) */
  JSONDeflate: 11050,
  /** application/cbor in the coding deflate */
  CBORDeflate: 11060,
  /** application/vnd.oma.lwm2m+tlv */
  LwM2MTLV: 11542,
  /** application/vnd.oma.lwm2m+json */
  LwM2MJSON: 11543,
  /** application/vnd.oma.lwm2m+cbor */
  LwM2MCBOR: 11544,
  /** text/css */
  CSS: 20000,
  /** image/svg+xml */
  SVG: 30000,
} as const;

/** One of the Content-Formats above. A peer may send any number from 0 to 65535. */
export type ContentFormat = (typeof ContentFormat)[keyof typeof ContentFormat];

const MEDIA_TYPES: ReadonlyMap<number, string> = new Map([
  [ContentFormat.Text, "text/plain; charset=utf-8"],
  [ContentFormat.COSEEncrypt0, 'application/cose; cose-type="cose-encrypt0"'],
  [ContentFormat.COSEMac0, 'application/cose; cose-type="cose-mac0"'],
  [ContentFormat.COSESign1, 'application/cose; cose-type="cose-sign1"'],
  [ContentFormat.ACE, "application/ace+cbor"],
  [ContentFormat.GIF, "image/gif"],
  [ContentFormat.JPEG, "image/jpeg"],
  [ContentFormat.PNG, "image/png"],
  [ContentFormat.LinkFormat, "application/link-format"],
  [ContentFormat.XML, "application/xml"],
  [ContentFormat.OctetStream, "application/octet-stream"],
  [ContentFormat.EXI, "application/exi"],
  [ContentFormat.JSON, "application/json"],
  [ContentFormat.JSONPatch, "application/json-patch+json"],
  [ContentFormat.MergePatch, "application/merge-patch+json"],
  [ContentFormat.CBOR, "application/cbor"],
  [ContentFormat.CWT, "application/cwt"],
  [ContentFormat.Multipart, "application/multipart-core"],
  [ContentFormat.CBORSequence, "application/cbor-seq"],
  [ContentFormat.COSEEncrypt, 'application/cose; cose-type="cose-encrypt"'],
  [ContentFormat.COSEMac, 'application/cose; cose-type="cose-mac"'],
  [ContentFormat.COSESign, 'application/cose; cose-type="cose-sign"'],
  [ContentFormat.COSEKey, "application/cose-key"],
  [ContentFormat.COSEKeySet, "application/cose-key-set"],
  [ContentFormat.SenMLJSON, "application/senml+json"],
  [ContentFormat.SenSMLJSON, "application/sensml+json"],
  [ContentFormat.SenMLCBOR, "application/senml+cbor"],
  [ContentFormat.SenSMLCBOR, "application/sensml+cbor"],
  [ContentFormat.SenMLEXI, "application/senml-exi"],
  [ContentFormat.SenSMLEXI, "application/sensml-exi"],
  [ContentFormat.ProblemDetails, "application/concise-problem-details+cbor"],
  [ContentFormat.MissingBlocks, "application/missing-blocks+cbor-seq"],
  [ContentFormat.SenMLXML, "application/senml+xml"],
  [ContentFormat.SenSMLXML, "application/sensml+xml"],
  [ContentFormat.SenMLEtchJSON, "application/senml-etch+json"],
  [ContentFormat.SenMLEtchCBOR, "application/senml-etch+cbor"],
  [ContentFormat.ThingDescription, "application/td+json"],
  [ContentFormat.OSCORE, "application/oscore"],
  [ContentFormat.JavaScript, "application/javascript"],
  [ContentFormat.LwM2MTLV, "application/vnd.oma.lwm2m+tlv"],
  [ContentFormat.LwM2MJSON, "application/vnd.oma.lwm2m+json"],
  [ContentFormat.LwM2MCBOR, "application/vnd.oma.lwm2m+cbor"],
  [ContentFormat.CSS, "text/css"],
  [ContentFormat.SVG, "image/svg+xml"],
]);

/** Formats of a media type in a content coding, by the format without it. */
const CODED: ReadonlyMap<number, { plain: number; coding: string }> = new Map([
  [ContentFormat.JSONDeflate, { plain: ContentFormat.JSON, coding: "deflate" }],
  [ContentFormat.CBORDeflate, { plain: ContentFormat.CBOR, coding: "deflate" }],
]);

const NUMBERS: ReadonlyMap<string, number> = new Map(
  [...MEDIA_TYPES].map(([number, type]) => [comparable(type), number]),
);

/** Lower case, without quotes and the white space around parameters. */
function comparable(type: string): string {
  return type.toLowerCase().replaceAll('"', "").replace(/\s*;\s*/g, ";").trim();
}

/** The media type of a Content-Format, or undefined where it is not known here. */
export function mediaType(format: number): string | undefined {
  return MEDIA_TYPES.get(CODED.get(format)?.plain ?? format);
}

/** The content coding of a Content-Format, such as `"deflate"`, or undefined where it has none. */
export function contentCoding(format: number): string | undefined {
  return CODED.get(format)?.coding;
}

/**
 * The Content-Format of a media type, or undefined where it is not known here. Case, quotes and white space do not
 * matter; `text/plain` without a character set counts as UTF-8.
 *
 * @param coding the content coding, such as `"deflate"`; none by default
 */
export function contentFormat(type: string, coding?: string): number | undefined {
  const wanted = comparable(type);
  const plain = wanted === "text/plain" ? ContentFormat.Text : NUMBERS.get(wanted);
  if (coding === undefined) return plain;
  const lower = coding.toLowerCase();
  for (const [format, coded] of CODED) {
    if (coded.plain === plain && coded.coding === lower) return format;
  }
  return undefined;
}
