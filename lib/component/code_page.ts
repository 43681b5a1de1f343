/** Code pages: how strings become bytes, and bytes strings. @module */

/** The encodings of the platform's text decoder by code page. */
const LABELS: ReadonlyMap<number, string> = new Map([
  [708, "asmo-708"],
  [866, "ibm866"],
  [874, "windows-874"],
  [932, "shift_jis"],
  [936, "gbk"],
  [949, "euc-kr"],
  [950, "big5"],
  [1200, "utf-16le"],
  [1201, "utf-16be"],
  [1250, "windows-1250"],
  [1251, "windows-1251"],
  [1252, "windows-1252"],
  [1253, "windows-1253"],
  [1254, "windows-1254"],
  [1255, "windows-1255"],
  [1256, "windows-1256"],
  [1257, "windows-1257"],
  [1258, "windows-1258"],
  [10000, "macintosh"],
  [10007, "x-mac-cyrillic"],
  [10017, "x-mac-ukrainian"],
  [20127, "us-ascii"],
  [20866, "koi8-r"],
  [20932, "euc-jp"],
  [20936, "gb2312"],
  [21866, "koi8-u"],
  [28591, "iso-8859-1"],
  [28592, "iso-8859-2"],
  [28593, "iso-8859-3"],
  [28594, "iso-8859-4"],
  [28595, "iso-8859-5"],
  [28596, "iso-8859-6"],
  [28597, "iso-8859-7"],
  [28598, "iso-8859-8"],
  [28599, "iso-8859-9"],
  [28605, "iso-8859-15"],
  [38598, "iso-8859-8-i"],
  [50220, "iso-2022-jp"],
  [50221, "iso-2022-jp"],
  [50222, "iso-2022-jp"],
  [51932, "euc-jp"],
  [51936, "gb2312"],
  [51949, "euc-kr"],
  [54936, "gb18030"],
  [65001, "utf-8"],
]);

/** Pages with characters of several bytes, for which the platform has no encoder. */
const MULTI_BYTE = new Set([
  "shift_jis",
  "gbk",
  "gb2312",
  "gb18030",
  "euc-kr",
  "euc-jp",
  "big5",
  "iso-2022-jp",
]);

/** The decoder takes some pages for larger ones of Windows. This one ends at 0x7f… */
const ASCII = 20127;
/** …and these have control characters from 0x80 to 0x9f. */
const WITH_CONTROLS = new Set([28591, 28599]);
const MISSING = "\uFFFD";

/** Turns strings into bytes and back. */
export interface CodePage {
  /** Its number. */
  readonly id: number;
  /** @throws {RangeError} where the string has characters that the page has not, or the page only decodes */
  encode(text: string): Uint8Array;
  /** U+FFFD stands for what the page does not have. */
  decode(bytes: Uint8Array): string;
}

/**
 * The code page of that number.
 *
 * @throws {RangeError} where this platform does not know it
 */
export function codePage(id: number): CodePage {
  const label = LABELS.get(id);
  let decoder: InstanceType<typeof TextDecoder>;
  try {
    if (label === undefined) throw new RangeError("No decoder for it");
    decoder = new TextDecoder(label, { ignoreBOM: true });
  } catch (cause) {
    throw new RangeError(`Code page "${id}" is not known on this platform`, { cause });
  }
  const decode = (bytes: Uint8Array): string => decoder.decode(bytes);
  if (label === "utf-8") {
    const encoder = new TextEncoder();
    return { id, decode, encode: (text) => encoder.encode(text) };
  }
  if (label.startsWith("utf-16")) {
    return { id, decode, encode: (text) => encodeUtf16(text, label === "utf-16le") };
  }
  if (!MULTI_BYTE.has(label)) return singleBytePage(id, decode);
  return {
    id,
    decode,
    encode: () => {
      throw new RangeError(`Code page "${id}" only decodes: give bytes instead of a string`);
    },
  };
}

function encodeUtf16(text: string, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(2 * text.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < text.length; i++) view.setUint16(2 * i, text.charCodeAt(i), littleEndian);
  return bytes;
}

/** A page of one byte per character: a table, and the same the other way round. */
function singleBytePage(id: number, decodeByte: CodePage["decode"]): CodePage {
  const characters = Array.from({ length: 0x100 }, (_, byte) => {
    if (byte >= 0x80 && id === ASCII) return MISSING;
    if (byte >= 0x80 && byte < 0xa0 && WITH_CONTROLS.has(id)) return String.fromCharCode(byte);
    return decodeByte(Uint8Array.of(byte));
  });
  const bytes = new Map(characters.map((character, byte) => [character, byte]));
  bytes.delete(MISSING);
  return {
    id,
    decode: (text) => Array.from(text, (byte) => characters[byte]).join(""),
    encode: (text) =>
      Uint8Array.from(text, (character) => {
        const byte = bytes.get(character);
        if (byte !== undefined) return byte;
        throw new RangeError(`Code page "${id}" has no character "${character}"`);
      }),
  };
}
