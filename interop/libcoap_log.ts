/** Reads the messages in the log of libcoap's programs. @module */

/** One message as `-v 7` shows it. */
export interface Pdu {
  direction: "sent" | "received";
  /** Size of the datagram; over TCP of the last portion that was received, 0 where others came with it; bytes. */
  size: number;
  /** Whether `-l` kept it from being sent. */
  dropped: boolean;
  type: "CON" | "NON" | "ACK" | "RST";
  /** A method's name, that of a signaling message such as `"CSM"`, or numbers such as `"2.05"`. */
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

/** The line of a datagram, or of what came over a connection, behind that of a lost one. */
const HEAD = new RegExp(
  [
    /(Packet \d+ dropped\n.*)?/,
    /DEBG \* {2}\S+ <-> \S+ (?:\(if\d+\) )?(UDP|TCP|TLS) : (sent|received) (\d+) bytes\n/,
  ].map((part) => part.source).join(""),
);
/** What a message says, but for those that only the program itself sees. */
const CONTENT =
  /(?<!(?:presented by app|of updated PDU)\n)^v:1 t:(CON|NON|ACK|RST) c:(\S+) i:([0-9a-f]+) \{([0-9a-f]*)\} \[ (.*?) ?\](?: :: (.*))?$/;
const PDU = new RegExp(`(?:${HEAD.source})?${CONTENT.source}`, "gm");

/**
 * The messages in a log, in their order. What the program makes of them internally is left out, and so is what can not
 * be told from it: over TLS all that it sends, and all but the first of the messages that come together.
 */
export function parsePdus(log: string): Pdu[] {
  const pdus: Pdu[] = [];
  let last: string | undefined;
  for (const match of log.matchAll(PDU)) {
    const [, dropped, transport, direction, size, type, code, id, token, options, payload] = match;
    last = transport ?? last;
    // Of messages that come together the first has the line; over TCP whatever is sent has one of its own.
    if (transport === undefined && last !== "TCP") continue;
    pdus.push({
      direction: direction as Pdu["direction"] | undefined ?? "received",
      size: Number(size ?? 0),
      dropped: dropped !== undefined,
      type: type as Pdu["type"],
      code: code!,
      id: parseInt(id!, 16),
      token: token!,
      options: options === "" ? [] : options!.split(", "),
      payload: payload?.replace(/^'(.*)'$/, "$1"),
    });
  }
  return pdus;
}
