/** Max-Age as time goes by. @module */

import { encodeUint, type Option, OptionNumber, uintOption } from "../wire/option.ts";

/** Options with Max-Age lowered by the time that has passed (RFC 7252 section 5.10.5). */
export function ageMaxAge(options: readonly Option[], elapsed: number): readonly Option[] {
  const seconds = Math.floor(elapsed / 1000);
  const maxAge = seconds < 1 ? undefined : uintOption(options, OptionNumber.MaxAge);
  if (maxAge === undefined) return options;
  const value = encodeUint(Math.max(0, maxAge - seconds));
  return options.map((option) =>
    option.number === OptionNumber.MaxAge ? { number: OptionNumber.MaxAge, value } : option
  );
}
