/** Options of signaling messages (RFC 8323 section 5), whose numbers each code has for itself. @module */

import { Code } from "./code.ts";
import { isCritical, type Option } from "./option.ts";
import type { OptionFormat } from "./option_table.ts";

/** Numbers of signaling options by name; what a number means depends on the code. */
export const SignalingOption = {
  /** CSM: the largest message that the sender can receive, bytes. RFC 8323 section 5.3.1 */
  MaxMessageSize: 2,
  /** CSM: the sender knows blockwise transfers. RFC 8323 section 5.3.2 */
  BlockWiseTransfer: 4,
  /** CSM: the longest token that the sender accepts in requests, bytes. RFC 8974 section 2.2.1 */
  ExtendedTokenLength: 6,
  /** Ping and Pong: what came before has been processed. RFC 8323 section 5.4.1 */
  Custody: 2,
  /** Release: where to connect to instead. RFC 8323 section 5.5 */
  AlternativeAddress: 2,
  /** Release: for how long not to connect again, seconds. RFC 8323 section 5.5 */
  HoldOff: 4,
  /** Abort: the number of the CSM option at fault. RFC 8323 section 5.6 */
  BadCSMOption: 2,
} as const;

/** The largest message that may be sent before a peer says otherwise, bytes (RFC 8323 section 5.3.1). */
export const BASE_MESSAGE_SIZE = 1152;

/** What the registry says about a signaling option. */
export interface SignalingOptionDefinition {
  /** The option number. */
  readonly number: number;
  /** The registry's name, such as `"Max-Message-Size"`. */
  readonly name: string;
  /** How the value is read. */
  readonly format: OptionFormat;
  /** Least length, bytes. */
  readonly min: number;
  /** Greatest length, bytes. */
  readonly max: number;
  /** Whether it may stand in a message more than once. */
  readonly repeatable: boolean;
}

function define(
  number: number,
  name: string,
  format: OptionFormat,
  min: number,
  max: number,
  repeatable = false,
): SignalingOptionDefinition {
  return { number, name, format, min, max, repeatable };
}

const CUSTODY = define(2, "Custody", "empty", 0, 0);

const DEFINITIONS: ReadonlyMap<number, readonly SignalingOptionDefinition[]> = new Map([
  [Code.CSM, [
    define(2, "Max-Message-Size", "uint", 0, 4),
    define(4, "Block-Wise-Transfer", "empty", 0, 0),
    define(6, "Extended-Token-Length", "uint", 0, 3),
  ]],
  [Code.Ping, [CUSTODY]],
  [Code.Pong, [CUSTODY]],
  [Code.Release, [
    define(2, "Alternative-Address", "string", 1, 255, true),
    define(4, "Hold-Off", "uint", 0, 3),
  ]],
  [Code.Abort, [define(2, "Bad-CSM-Option", "uint", 0, 2)]],
]);

/** The registry's entry for an option of a signaling code, or undefined. */
export function signalingOption(
  code: number,
  number: number,
): SignalingOptionDefinition | undefined {
  return DEFINITIONS.get(code)?.find((definition) => definition.number === number);
}

/**
 * The option of a signaling message, or undefined where there is none that counts: one of a length that it may not have
 * is ignored like an elective option that is not known (RFC 7252 section 5.4.3), a further one of those that may occur
 * once as well.
 */
export function findSignalingOption(
  code: number,
  options: readonly Option[],
  number: number,
): Option | undefined {
  const definition = signalingOption(code, number);
  if (definition === undefined) return undefined;
  const { min, max } = definition;
  return options.find((option) =>
    option.number === number && option.value.length >= min && option.value.length <= max
  );
}

/**
 * The first option of a signaling message that is critical and not known, because of which the connection has to be
 * aborted (RFC 8323 section 5.2), or undefined.
 */
export function checkSignalingOptions(
  code: number,
  options: readonly Option[],
): Option | undefined {
  for (const option of options) {
    if (isCritical(option.number) && signalingOption(code, option.number) === undefined) {
      return option;
    }
  }
  return undefined;
}
