/** What is wrong with a message by itself, whatever came before it. @module */

import {
  Code,
  codeClass,
  codeName,
  codeText,
  findOption,
  type FormatErrorReason,
  isCritical,
  isRequestCode,
  isResponseCode,
  type Message,
  MessageType,
  type Option,
  optionDefinition,
  optionName,
  OptionNumber,
  stringOptions,
  uintOption,
} from "../lib/wire/mod.ts";
import { type Finding, remark, violation } from "./replay_finding.ts";

const FORMAT_ROWS: Record<FormatErrorReason, string> = {
  "too-short": "7252-3-3",
  "version": "7252-3-2",
  "token-length": "7252-3-7",
  "token-truncated": "7252-3-8",
  "empty-message": "7252-4.1-1",
  "option-delta": "7252-3.1-3",
  "option-length": "7252-3.1-4",
  "option-extension-truncated": "7252-3.1-5",
  "option-value-truncated": "7252-3.1-5",
  "option-number": "7252-3.1-6",
  "payload-missing": "7252-3-10",
  "frame-length": "8323-3.2-1",
};

/** The first option number for experiments (RFC 7252 section 12.2). */
const EXPERIMENTAL = 65_000;

/** The largest message for a path of unknown MTU, bytes (RFC 7252 section 4.6). */
const LARGEST = 1152;

const URI_OPTIONS = [
  OptionNumber.UriHost,
  OptionNumber.UriPort,
  OptionNumber.UriPath,
  OptionNumber.UriQuery,
] as const;

/** Where a message goes. */
export interface Destination {
  port: number;
  multicast: boolean;
}

/** Judges a message by itself. */
export function checkMessage(message: Message, size: number, to: Destination): Finding[] {
  const { error, code, type, options } = message;
  if (error !== undefined) {
    const text = `Message format error: ${error.reason} at byte ${error.offset}`;
    return [violation(FORMAT_ROWS[error.reason], text)];
  }
  const findings = checkCode(message);
  if (isRequestCode(code)) checkRequest(message, to, findings);
  if (isResponseCode(code)) checkResponse(message, findings);
  if (codeClass(code) < 6) checkOptions(options, isRequestCode(code), findings);
  if (size > LARGEST) {
    const text = `${size} bytes may not fit one packet: ${LARGEST} is the most on an unknown path`;
    findings.push(remark("7252-4.6-1", text));
  }
  if (to.multicast && type !== MessageType.NonConfirmable) {
    findings.push(violation("7252-8-1", "What goes to a group must be Non-confirmable"));
  }
  return findings;
}

function checkCode({ type, code }: Message): Finding[] {
  if (code === Code.Empty) {
    return type === MessageType.NonConfirmable
      ? [violation("7252-4.3-1", "A Non-confirmable message must not be Empty")]
      : [];
  }
  if (type === MessageType.Reset) {
    return [violation("7252-4.2-7", `A Reset must be Empty: its code is ${codeText(code)}`)];
  }
  if (type === MessageType.Acknowledgement && isRequestCode(code)) {
    return [violation("7252-4.2-6", "An Acknowledgement must not carry a request")];
  }
  const group = codeClass(code);
  if (group === 3) {
    return [remark("7252-4.2-4", `Class 3 is reserved: the code is ${codeText(code)}`)];
  }
  if (group === 1 || group > 5) {
    const row =
      { [MessageType.Confirmable]: "7252-4.2-3", [MessageType.NonConfirmable]: "7252-4.3-3" }[
        type as number
      ] ?? "7252-4.2-8";
    return [violation(row, `Class ${group} is reserved over UDP: the code is ${codeText(code)}`)];
  }
  return [];
}

function checkRequest(message: Message, to: Destination, findings: Finding[]): void {
  const { code, options, payload } = message;
  const has = (number: number): boolean => findOption(options, number) !== undefined;
  if (codeName(code) === undefined) {
    findings.push(remark("7252-5.8-1", `Method ${codeText(code)} is not known`));
  }
  if ((code === Code.GET || code === Code.DELETE) && payload.length > 0) {
    findings.push(violation("7252-5.5-1", `${codeName(code)} has no payload`));
  }
  if (code === Code.FETCH && payload.length > 0 && !has(OptionNumber.ContentFormat)) {
    findings.push(violation("8132-2-3", "FETCH must have a Content-Format"));
  }
  if (stringOptions(options, OptionNumber.UriPath).some(isDots)) {
    findings.push(violation("7252-5.10-1", 'Uri-Path must not be "." or ".."'));
  }
  if (has(OptionNumber.ProxyUri) && URI_OPTIONS.some(has)) {
    findings.push(violation("7252-5.10-5", "Proxy-Uri and Uri options are not sent together"));
  }
  if (uintOption(options, OptionNumber.UriPort) === to.port) {
    findings.push(remark("7252-5.4-11", "Uri-Port is the port that the message goes to anyway"));
  }
  const observe = uintOption(options, OptionNumber.Observe);
  if (observe !== undefined && observe > 1) {
    findings.push(remark("7641-2-3", `Observe in a request is 0 or 1: it is ${observe}`));
  } else if (observe !== undefined && code !== Code.GET && code !== Code.FETCH) {
    findings.push(remark("7641-2-4", "Observe is defined for GET and FETCH"));
  }
  if (to.multicast && code === Code.GET && has(OptionNumber.ETag)) {
    findings.push(violation("7252-8-8", "A GET to a group must not have an ETag"));
  }
}

function checkResponse({ code, options, payload }: Message, findings: Finding[]): void {
  if (stringOptions(options, OptionNumber.LocationPath).some(isDots)) {
    findings.push(violation("7252-5.10-11", 'Location-Path must not be "." or ".."'));
  }
  if (code !== Code.Valid) return;
  if (payload.length > 0) findings.push(violation("7252-5.9-1", "2.03 must have no payload"));
  if (findOption(options, OptionNumber.ETag) === undefined) {
    findings.push(violation("7252-5.9-1", "2.03 must have an ETag"));
  }
}

function isDots(segment: string): boolean {
  return segment === "." || segment === "..";
}

function checkOptions(options: readonly Option[], request: boolean, findings: Finding[]): void {
  let previous = -1;
  for (const { number, value } of options) {
    const repeated = number === previous;
    previous = number;
    const name = optionName(number);
    const definition = optionDefinition(number);
    if (definition === undefined) {
      if (number >= EXPERIMENTAL) {
        findings.push(remark("7252-5.4-15", `${name} is for experiments`));
      } else if (isCritical(number)) {
        const row = request ? "7252-5.4-3" : "7252-5.4-4";
        const text = "is critical and not known: who does not know it must reject the message";
        findings.push(remark(row, `${name} ${text}`));
      }
      continue;
    }
    const use = request ? definition.request : definition.response;
    if (use === "never") {
      const where = request ? "requests" : "responses";
      findings.push(violation("7252-5.4-1", `${name} is not defined for ${where}`));
    } else if (use === "once" && repeated) {
      findings.push(violation("7252-5.4-12", `${name} must not be repeated`));
    }
    if (value.length < definition.min || value.length > definition.max) {
      const range = definition.min === definition.max
        ? `${definition.min}`
        : `${definition.min} to ${definition.max}`;
      const text = `${name} has ${range} bytes: here it has ${value.length}`;
      findings.push(violation("7252-5.4-9", text));
    } else if (definition.format === "uint" && value[0] === 0 && number !== OptionNumber.HopLimit) {
      findings.push(remark("7252-3.2-1", `${name} has leading zeros`));
    }
  }
}
