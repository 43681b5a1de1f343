/**
 * The conformance suite: puts CoAP servers and clients through cases named after the sections of the RFCs, over the
 * wire.
 *
 * @module
 */

export {
  type Case,
  CaseFailure,
  type CaseTraits,
  type Level,
  NoSubject,
  NotApplicable,
  type Requirement,
  REQUIREMENTS,
  type ServerCase,
} from "./case.ts";
export {
  type ClientCase,
  type ClientOutcome,
  type ClientSettings,
  type ClientTask,
  type ClientUnderTest,
  runClientCases,
  Script,
} from "./client_case.ts";
export { CLIENT_CASES } from "./client_cases.ts";
export { commandClient } from "./client_command.ts";
export { ourClient } from "./client_ours.ts";
export { main } from "./command.ts";
export type { Datagram, DatagramSpec, OptionSpec, ParsedOption, TypeName } from "./datagram.ts";
export { type Heard, Probe, type ProbeSettings, type TraceDatagram } from "./probe.ts";
export {
  type Capture,
  type CapturedDatagram,
  type Endpoint,
  explain,
  type ExplainedMessage,
  type Finding,
  readCapture,
  type Replay,
  replay,
  replayFile,
  type ReplayOptions,
  replayText,
  type ReplayTextOptions,
} from "./replay.ts";
export {
  jsonReport,
  junitReport,
  type ReportHead,
  tapReport,
  textReport,
  type TextReportOptions,
} from "./report.ts";
export { htmlReport } from "./report_html.ts";
export {
  type CaseResult,
  meetServer,
  runServerCases,
  select,
  type Selection,
  type ServerSettings,
  type Status,
  type SuiteOptions,
} from "./runner.ts";
export { SERVER_CASES } from "./server_cases.ts";
export { startTarget, type Target } from "./target.ts";
export { type Expectation, type RequestSpec, Tester, type TesterSettings } from "./tester.ts";
