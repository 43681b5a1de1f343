/** The command line of the suite: what there is to say, and how it is read. @module */

/** What `--help` tells. */
export const USAGE: string = `Usage: conformance [options] SCHEME://host[:port] [case ...]
       conformance [options] --client COMMAND [case ...]
       conformance --serve [port]
       conformance replay [options] FILE

Puts a CoAP server, or a client, through cases named after the sections of the RFCs. A case is an id ("7252-4.2-3"), the
beginning of one ("7252-4", "OBS") or a section ("RFC 7641 section 4.5"); without any those run that are no SHOULD or MAY.
The scheme of a server is coap, coap+tcp, coaps+tcp, coap+ws or coaps+ws.

  --strict            add those that are SHOULD or MAY
  --slow              add those that take long
  --list              name the cases and end
  --timeout MS        how long an answer is waited for (2000; for clients 5000)
  --quiet MS          how long nothing must come where silence is expected (200; for clients 300)
  --create            make /test, /large-update and /obs by PUT where they are missing
  --group ADDRESS     a group that the server is a member of
  --proxy ADDRESS     the server is a forward proxy and may reach the suite at this address
  --known FILE        JSON object of cases that are to fail, with the reasons
  --client COMMAND    judge a client: a command with {uri}, such as
                      "coap-client -m {method} [-e {payload}] [-s {observe}] {uri}", or "ours"
  --scheme SCHEME     over what the client is judged: coap (the default) or coap+tcp
  --ca FILE           the authority of a coaps+tcp server, PEM
  --serve [port]      serve the resources that server cases ask for, over UDP and TCP
  --cert, --key FILE  what to serve over TLS with as well, at the next port, PEM
  --text, --json, --junit, --tap, --html FILE
                      write a report ("-" is standard output); without any, text goes to standard output

Exit code: 0 where all is well, 1 where a case failed or passed against expectation, 2 where the command is wrong or
nobody answers.
`;

/** A command line, taken apart. */
export interface Settings {
  words: string[];
  flags: Set<string>;
  values: Map<string, string>;
}

const FLAGS = new Set(["strict", "slow", "list", "create", "serve", "help"]);
const VALUES = new Set([
  "timeout",
  "quiet",
  "group",
  "proxy",
  "known",
  "client",
  "scheme",
  "ca",
  "cert",
  "key",
  "text",
  "json",
  "junit",
  "tap",
  "html",
]);

/** A mistake of whoever wrote the command. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Takes a command line apart. */
export function parseArguments(args: readonly string[]): Settings {
  const settings: Settings = { words: [], flags: new Set(), values: new Map() };
  const rest = [...args];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (!word.startsWith("--")) {
      settings.words.push(word);
      continue;
    }
    const [name = "", inline] = word.slice(2).split(/=(.*)/s);
    if (FLAGS.has(name)) settings.flags.add(name);
    else if (VALUES.has(name)) {
      const value = inline ?? rest.shift();
      if (value === undefined) throw new UsageError(`Option --${name} needs a value`);
      settings.values.set(name, value);
    } else throw new UsageError(`Unknown option "${word}"`);
  }
  return settings;
}

/** The value of an option that is a time. */
export function milliseconds({ values }: Settings, name: string): number | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value > 0)) throw new UsageError(`Option --${name} must be above 0: it is "${text}"`);
  return value;
}

/** Default ports (RFC 7252 section 6.1, RFC 8323 section 8). */
export const PORTS: Readonly<Record<string, string>> = {
  coap: "5683",
  "coap+tcp": "5683",
  "coaps+tcp": "5684",
  "coap+ws": "80",
  "coaps+ws": "443",
};

/** A server that is named by its URI. */
export interface TargetUri {
  scheme: string;
  host: string;
  port: number;
}

/** Reads the URI of a server. */
export function parseTarget(uri: string): TargetUri {
  const match = /^([^:]+):\/\/(?:\[([^\]]+)\]|([^/:?#]+))(?::(\d+))?\/?$/.exec(uri);
  const [, scheme = "", literal, name, given] = match ?? [];
  const port = given ?? PORTS[scheme];
  if (port === undefined) {
    throw new UsageError(`Server must be given as SCHEME://host[:port]: it is "${uri}"`);
  }
  if (!(Number(port) > 0 && Number(port) < 65_536)) {
    throw new UsageError(`Port must be 1 to 65535: it is "${port}"`);
  }
  return { scheme, host: literal ?? name!, port: Number(port) };
}
