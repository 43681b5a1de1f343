/** Datagrams that a server must reject, ignore or answer in a certain way. @module */

/** What a datagram is to be met with. */
export interface BadDatagram {
  readonly id: string;
  readonly hex: string;
  /** `ignore`, `rst`, `rst-or-ignore`, `normal`, `respond:c.dd` or `respond-or-silence:c.dd`. */
  readonly action: string;
}

/** Those of `fixtures/vectors/malformed-udp.json`, by their id. */
export const BAD_DATAGRAMS: readonly BadDatagram[] = [
  // empty datagram
  { id: "M001", hex: "", action: "ignore" },
  // 1 byte
  { id: "M002", hex: "40", action: "ignore" },
  // 3 bytes: Message ID incomplete
  { id: "M004", hex: "400112", action: "ignore" },
  // CON GET with version 0
  { id: "M005", hex: "00011001", action: "ignore" },
  // CON GET with version 3
  { id: "M007", hex: "c0011001", action: "ignore" },
  // version 0, otherwise a CoAP ping
  { id: "M008", hex: "00001002", action: "ignore" },
  // first bytes of a TLS record sent to the CoAP port (version bits 0)
  { id: "M010", hex: "16030100", action: "ignore" },
  // CON with TKL 9 and 9 token bytes
  { id: "M011", hex: "49012001000000000000000000", action: "rst" },
  // ACK with TKL 9 and 9 token bytes
  { id: "M013", hex: "69452003000000000000000000", action: "ignore" },
  // RST with TKL 9 and 9 token bytes
  { id: "M014", hex: "79002004000000000000000000", action: "ignore" },
  // CON GET with TKL 11 and as many token bytes
  { id: "M016", hex: "4b0120061111111111111111111111", action: "rst" },
  // CON GET with TKL 12 and as many token bytes
  { id: "M017", hex: "4c012007111111111111111111111111", action: "rst" },
  // CON GET with TKL 14, extended length 0 (= 269) and 269 bytes
  { id: "M019", hex: "4e0120090000" + "33".repeat(269), action: "rst" },
  // CON GET with TKL 15
  { id: "M020", hex: "4f01200a", action: "rst" },
  // CON GET with TKL 8 but only 3 bytes left
  { id: "M022", hex: "4801200caabbcc", action: "rst" },
  // NON GET with TKL 8 but only 3 bytes left
  { id: "M023", hex: "5801200daabbcc", action: "rst-or-ignore" },
  // ACK 2.05 with TKL 8 but only 3 bytes left
  { id: "M025", hex: "6845200faabbcc", action: "ignore" },
  // CON GET with TKL 1 and no token byte
  { id: "M026", hex: "41012010", action: "rst" },
  // CON Empty with TKL 1 and a token
  { id: "M028", hex: "4100201277", action: "rst" },
  // NON Empty (0.00) followed by one byte 00
  { id: "M029", hex: "5000201300", action: "rst-or-ignore" },
  // ACK Empty (0.00) followed by one byte 00
  { id: "M031", hex: "6000201500", action: "ignore" },
  // ACK Empty with TKL 1 and a token
  { id: "M032", hex: "6100201677", action: "ignore" },
  // RST Empty with TKL 1 and a token
  { id: "M034", hex: "7100201877", action: "ignore" },
  // CON Empty with payload marker and payload
  { id: "M035", hex: "40002019ff70", action: "rst" },
  // CON Empty with TKL 1 but no token byte (TKL != 0)
  { id: "M037", hex: "4100201b", action: "rst" },
  // CON GET: payload marker followed by zero-length payload
  { id: "M038", hex: "4001201cff", action: "rst" },
  // CON POST: payload marker followed by zero-length payload
  { id: "M040", hex: "4002201eff", action: "rst" },
  // CON 2.05: payload marker followed by zero-length payload
  { id: "M041", hex: "4045201fff", action: "rst" },
  // ACK 2.05: payload marker followed by zero-length payload
  { id: "M043", hex: "60452021ff", action: "ignore" },
  // CON GET /temp with token, option and a trailing payload marker
  { id: "M044", hex: "410120225ab474656d70ff", action: "rst" },
  // option byte F1: delta 15, length 1
  { id: "M046", hex: "40012024f161", action: "rst" },
  // option byte FE: delta 15, length 14
  { id: "M047", hex: "40012025fe000000", action: "rst" },
  // ACK 2.05 with option byte F0
  { id: "M049", hex: "60452027f0", action: "ignore" },
  // option byte 0F: length 15
  { id: "M050", hex: "400120280f", action: "rst" },
  // option byte EF: delta 14, length 15
  { id: "M052", hex: "4001202aef0000", action: "rst" },
  // second option has length 15
  { id: "M053", hex: "4001202bb1610f", action: "rst" },
  // delta 14 without the extended bytes
  { id: "M055", hex: "4001202de0", action: "rst" },
  // delta 14 with one of two extended bytes
  { id: "M056", hex: "4001202ee001", action: "rst" },
  // length 14 with one of two extended bytes
  { id: "M058", hex: "40012030be00", action: "rst" },
  // delta 13 and length 13, only one of the two extended bytes
  { id: "M059", hex: "40012031dd00", action: "rst" },
  // Uri-Path of length 1, no byte left
  { id: "M061", hex: "40012033b1", action: "rst" },
  // Uri-Path of length 13 (ext 0), 10 bytes left
  { id: "M062", hex: "40012034bd0074656d70657261747572", action: "rst" },
  // NON: Uri-Path of length 4, only 3 bytes left
  { id: "M064", hex: "50012036b4746573", action: "rst-or-ignore" },
  // ACK 2.05: Content-Format of length 2, no bytes left
  { id: "M065", hex: "60452037c2", action: "ignore" },
  // Uri-Path value FF FF then a payload marker without payload: FF inside a value is data, the last FF is the marker
  { id: "M067", hex: "40012039b2ffffff", action: "rst" },
  // option 65535 followed by delta 1: the second option would have number 65536
  { id: "M068", hex: "4001203ae0fef210", action: "rst" },
  // CON with code 1.00 (reserved class 1)
  { id: "M070", hex: "4020203c", action: "rst" },
  // CON with code 1.01 (reserved class 1)
  { id: "M071", hex: "4021203d", action: "rst" },
  // CON with code 7.01 (reserved class 7)
  { id: "M073", hex: "40e1203f", action: "rst" },
  // CON with code 7.02 (reserved class 7)
  { id: "M074", hex: "40e22040", action: "rst" },
  // NON with code 1.01 (reserved class)
  { id: "M076", hex: "50212042", action: "rst-or-ignore" },
  // NON with code 6.00 (reserved class)
  { id: "M077", hex: "50c02043", action: "rst-or-ignore" },
  // ACK with code 1.01 (reserved class)
  { id: "M079", hex: "60212045", action: "ignore" },
  // ACK with code 6.00 (reserved class)
  { id: "M080", hex: "60c02046", action: "ignore" },
  // CON with code 3.00
  { id: "M082", hex: "40602048", action: "rst" },
  // ACK carrying a request (0.01)
  { id: "M083", hex: "60012049", action: "ignore" },
  // RST with code 0.01 (not Empty)
  { id: "M085", hex: "7001204b", action: "ignore" },
  // RST with code 2.05 and payload
  { id: "M086", hex: "7045204cff61", action: "ignore" },
  // NON Empty
  { id: "M088", hex: "5000204e", action: "rst-or-ignore" },
  // Empty ACK for an unknown Message ID
  { id: "M089", hex: "6000204f", action: "ignore" },
  // CON 2.05 nobody waits for
  { id: "M091", hex: "40452051ff61", action: "rst" },
  // CON 2.05 with an unknown token
  { id: "M092", hex: "4145205299ff61", action: "rst" },
  // ACK 2.05 with unknown Message ID and token
  { id: "M094", hex: "6145205499ff61", action: "ignore" },
  // control: CoAP ping (CON Empty)
  { id: "M095", hex: "40002055", action: "rst" },
  // NON GET with unrecognized critical option 65001
  { id: "M097", hex: "510120575ae1fcdc78", action: "respond:4.02" },
  // GET /test with unrecognized elective option 65000
  { id: "M098", hex: "410120585ab474657374e1fcd078", action: "normal" },
  // GET /test with unrecognized critical option 2049
  { id: "M100", hex: "4101205a5ab474657374e006e9", action: "respond:4.02" },
  // Uri-Host of length 0
  { id: "M101", hex: "4101205b5a308474657374", action: "respond:4.02" },
  // Uri-Port of length 3 (0-2 allowed)
  { id: "M103", hex: "4101205d5a730016334474657374", action: "respond:4.02" },
  // Uri-Path of length 256
  { id: "M104", hex: "4101205e5abdf3" + "61".repeat(256), action: "respond:4.02" },
  // Accept of length 3
  { id: "M106", hex: "410120605ab47465737463000000", action: "respond:4.02" },
  // If-Match of length 9
  { id: "M107", hex: "410320615a19313233343536373839a474657374", action: "respond:4.02" },
  // ETag of length 0 (elective)
  { id: "M109", hex: "410120635a407474657374", action: "normal" },
  // ETag of length 9 (elective)
  { id: "M110", hex: "410120645a493132333435363738397474657374", action: "normal" },
  // Observe of length 4 (elective): plain GET, no Observe in the response
  { id: "M112", hex: "410120665a64000000005474657374", action: "normal" },
  // Block2 of length 4
  { id: "M113", hex: "410120675ab474657374c400000006", action: "respond:4.02" },
  // Size1 of length 5 (elective)
  { id: "M115", hex: "410120695ab474657374d5240000000001", action: "normal" },
  // Max-Age in a request (not defined there) and of length 5: elective, ignored
  { id: "M116", hex: "4101206a5ab474657374350000000001", action: "normal" },
  // Proxy-Uri of length 1039
  {
    id: "M118",
    hex: "4101206c5ade160302636f61703a2f2f782f" + "61".repeat(1030),
    action: "respond:4.02",
  },
  // Uri-Port twice (not repeatable, critical)
  { id: "M119", hex: "4101206d5a7216330216334474657374", action: "respond:4.02" },
  // Accept twice
  { id: "M121", hex: "4101206f5ab474657374600132", action: "respond:4.02" },
  // Content-Format twice (elective): only the first (50) counts
  { id: "M122", hex: "410320705ab474657374113200ff7b7d", action: "normal" },
  // Block2 twice
  { id: "M124", hex: "410120725ab474657374c1060116", action: "respond:4.02" },
  // Block2 with SZX 7 over UDP
  { id: "M125", hex: "410120735ab474657374c107", action: "respond:4.00" },
  // Block1 0/1/64 with a payload of 63 bytes (size does not match SZX with M set)
  { id: "M127", hex: "410320755ab474657374d1030aff" + "00".repeat(63), action: "respond:4.00" },
  // final Block1 2/0/64 without blocks 0 and 1
  { id: "M128", hex: "410320765ab474657374d10322ff00000000000000000000", action: "respond:4.08" },
  // Hop-Limit of length 2 (256)
  { id: "M130", hex: "410120785ab474657374520100", action: "respond:4.00" },
  // Proxy-Uri to a server that is no proxy
  {
    id: "M131",
    hex: "410120795add1606636f61703a2f2f6578616d706c652e6e65742f",
    action: "respond:5.05",
  },
  // unassigned method 0.31
  { id: "M133", hex: "411f207b5ab474657374", action: "respond:4.05" },
  // NON with unassigned method 0.30
  { id: "M134", hex: "511e207c5ab474657374", action: "respond-or-silence:4.05" },
  // Uri-Path that is not UTF-8
  { id: "M136", hex: "4101207e5ab2fffe", action: "respond:4.04" },
  // FETCH without Content-Format
  { id: "M137", hex: "4105207f5ab474657374ff78", action: "respond:4.00" },
  // control: Content-Format 0 with two leading zero bytes is a valid uint
  { id: "M139", hex: "410120815ab474657374120000", action: "normal" },
  // control: Block2 value 6 in three bytes
  { id: "M140", hex: "410120825ab474657374c3000006", action: "normal" },
];
