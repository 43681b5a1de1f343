/** Reads the messages in the log of libcoap's programs. @module */

/** One message as `-v 7` shows it. */
export interface Pdu {
  direction: "sent" | "received";
  /** Size of the datagram, bytes. */
  size: number;
  /** Whether `-l` kept it from being sent. */
  dropped: boolean;
  type: "CON" | "NON" | "ACK" | "RST";
  /** A method's name, or numbers such as `"2.05"`. */
  code: string;
  /** The message ID, 0 to 65535. */
  id: number;
  /** The token in hexadecimal. */
  token: string;
  /** Options with their values, such as `"Uri-Path:time"`. */
  options: string[];
  /** The payload as shown; undefined where there is none. */
  payload: string | undefined;
}

/** The line of a datagram, behind that of a lost one, in front of that of its content. */
const PDU = new RegExp(
  [
    /(Packet \d+ dropped\n.*)?/,
    /DEBG \* {2}\S+ <-> \S+ (?:\(if\d+\) )?UDP : (sent|received) (\d+) bytes\n/,
    /v:1 t:(CON|NON|ACK|RST) c:(\S+) i:([0-9a-f]+) \{([0-9a-f]*)\} \[ (.*?) ?\](?: :: (.*))?$/,
  ].map((part) => part.source).join(""),
  "gm",
);

/** The messages in a log, in their order. What the program makes of them internally is left out. */
export function parsePdus(log: string): Pdu[] {
  return Array.from(
    log.matchAll(PDU),
    ([, dropped, direction, size, type, code, id, token, options, payload]) => ({
      direction: direction as Pdu["direction"],
      size: Number(size),
      dropped: dropped !== undefined,
      type: type as Pdu["type"],
      code: code!,
      id: parseInt(id!, 16),
      token: token!,
      options: options === "" ? [] : options!.split(", "),
      payload: payload?.replace(/^'(.*)'$/, "$1"),
    }),
  );
}
