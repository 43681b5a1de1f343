/** A program as a client under test. @module */

import { NoSubject } from "./case.ts";
import type { ClientOutcome, ClientTask, ClientUnderTest } from "./client_case.ts";
import { host } from "./host.ts";

/**
 * A client that is a command line, judged by the wire alone. It is split at spaces, and these are filled in: `{uri}`,
 * `{method}` in lower case, `{payload}` as text, `{observe}` in seconds. What stands in brackets is left out where the
 * task has no such thing: `coap-client -m {method} [-e {payload}] [-s {observe}] {uri}`. A task for which there is no
 * placeholder is not given to it.
 *
 * @throws {TypeError} where there is no `{uri}`
 */
export function commandClient(command: string): ClientUnderTest {
  if (!command.includes("{uri}")) {
    throw new TypeError(`Command must have a place for {uri}: it is "${command}"`);
  }
  const running = new Set<{ kill(signal: string): void; ended: Promise<void> }>();
  return {
    tells: false,
    can(task): boolean {
      const values = valuesOf(task);
      const wanted = Object.keys(values).filter((name) => values[name] !== undefined);
      return wanted.every((name) =>
        command.includes(`{${name}}`) || (name === "method" && task.method === "GET")
      );
    },
    run(task): Promise<ClientOutcome> {
      const [program, ...args] = fill(command, valuesOf(task));
      const child = host().spawn(program!, args, { stdio: "ignore" });
      return new Promise((resolve, reject) => {
        const ended = new Promise<void>((end) => {
          child.on("error", ({ message }: Error) => {
            reject(new NoSubject(`Could not start "${program}": ${message}`));
            end();
          });
          child.on("close", () => (resolve({}), end()));
        });
        running.add({ kill: (signal) => child.kill(signal), ended });
      });
    },
    async stop(): Promise<void> {
      for (const child of running) child.kill("SIGKILL");
      await Promise.all([...running].map(({ ended }) => ended));
      running.clear();
    },
  };
}

function valuesOf(
  { method, uri, payload, observe }: ClientTask,
): Record<string, string | undefined> {
  return {
    method: method.toLowerCase(),
    uri,
    payload: payload === undefined ? undefined : new TextDecoder().decode(payload),
    observe: observe === undefined ? undefined : String(Math.ceil(observe / 1000)),
  };
}

/** The words of a command, placeholders filled in. */
export function fill(
  command: string,
  values: Readonly<Record<string, string | undefined>>,
): string[] {
  const isThere = (part: string): boolean =>
    [...part.matchAll(/\{(\w+)\}/g)].every(([, name]) => values[name!] !== undefined);
  return command
    .replaceAll(/\[([^\]]*)\]/g, (_, part: string) => isThere(part) ? part : "")
    .split(" ")
    .filter((word) => word !== "")
    .map((word) => word.replaceAll(/\{(\w+)\}/g, (found, name: string) => values[name] ?? found));
}
