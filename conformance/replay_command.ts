/** `conformance replay`: explains a capture on the command line. @module */

import { hexOf } from "./message_text.ts";
import { type Replay, replayFile, type ReplayOptions, replayText } from "./replay.ts";

/** What the command needs of its surroundings. */
export interface ReplayHost {
  /** Where the explanations go; a terminal gets colours. */
  stdout: { isTTY?: boolean; columns?: number; write(text: string): unknown };
  /** Where it says what went wrong. */
  stderr: { write(text: string): unknown };
}

/** How the command is used. */
export const REPLAY_USAGE: string = `Usage: conformance replay [options] FILE

Explains a capture, pcap or pcapng, message by message, and marks what breaks the rules of the RFCs.

  --port PORT         a port of servers, may be repeated (5683; where nothing goes there, wherever CoAP is spoken)
  --extended-tokens   tokens may have more than 8 bytes (RFC 8974)
  --json              as JSON

Exit code: 0 where nothing breaks the rules, 1 where something does, 2 where the command is wrong.
`;

/**
 * Runs the command and gives the exit code.
 *
 * @param args what follows `replay`
 */
export async function replayCommand(args: readonly string[], host: ReplayHost): Promise<number> {
  const files: string[] = [];
  const ports: number[] = [];
  const options: ReplayOptions = {};
  let json = false;
  const rest = [...args];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const [, inline] = /^--port=(.*)$/s.exec(word) ?? [];
    if (word === "--help") return host.stdout.write(REPLAY_USAGE), 0;
    else if (word === "--json") json = true;
    else if (word === "--extended-tokens") options.extendedTokens = true;
    else if (word === "--port" || inline !== undefined) {
      const text = inline ?? rest.shift() ?? "";
      if (!/^\d{1,5}$/.test(text)) return refuse(host, `Port must be a number: it is "${text}"`);
      ports.push(Number(text));
    } else if (word.startsWith("--")) return refuse(host, `Unknown option "${word}"`);
    else files.push(word);
  }
  if (files.length !== 1) return refuse(host, `One file is needed: there are ${files.length}`);
  if (ports.length > 0) options.ports = ports;
  let result: Replay;
  try {
    result = await replayFile(files[0]!, options);
  } catch (error) {
    host.stderr.write(`${(error as Error).message}\n`);
    return 2;
  }
  const { isTTY: color = false, columns = 100 } = host.stdout;
  const width = Math.max(columns, 60);
  host.stdout.write(json ? replayJson(result) : replayText(result, { color, width }));
  return result.violations > 0 ? 1 : 0;
}

function refuse(host: ReplayHost, text: string): number {
  host.stderr.write(`${text}\n\n${REPLAY_USAGE}`);
  return 2;
}

/** A replay as JSON, with the datagrams in hexadecimal. */
function replayJson({ messages, ...rest }: Replay): string {
  const plain = messages.map(({ message: _, bytes, ...message }) => ({
    ...message,
    bytes: hexOf(bytes),
  }));
  return `${JSON.stringify({ ...rest, messages: plain }, null, 2)}\n`;
}
