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
export { STREAM_CLIENT_CASES } from "./client_streams.ts";
export { commandClient } from "./client_command.ts";
export { ourClient } from "./client_ours.ts";
export { main } from "./command.ts";
export { type Arrived, Connection, type ConnectionSettings } from "./connection.ts";
export {
  Conversation,
  type FrameExpectation,
  type Patience,
  type StreamRequest,
} from "./conversation.ts";
export type { Datagram, DatagramSpec, OptionSpec, ParsedOption, TypeName } from "./datagram.ts";
export type { Expectation } from "./expectation.ts";
export { Errand } from "./errand.ts";
export type { Frame, FrameSpec, Framing } from "./frame.ts";
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
  isGood,
  meetServer,
  runServerCases,
  select,
  type Selection,
  type ServerSettings,
  type Status,
  type SuiteOptions,
} from "./runner.ts";
export { SERVER_CASES } from "./server_cases.ts";
export type { StreamServerCase } from "./server_streams.ts";
export { STREAM_SERVER_CASES, streamServerCases } from "./stream_cases.ts";
export {
  meetStreamServer,
  runStreamServerCases,
  type StreamServerSettings,
} from "./stream_runner.ts";
export {
  runStreamClientCases,
  type StreamClientCase,
  type StreamClientSettings,
  StreamScript,
} from "./stream_script.ts";
export { StreamTester, type StreamTesterSettings } from "./stream_tester.ts";
export { startTarget, type Target } from "./target.ts";
export { type RequestSpec, Tester, type TesterSettings } from "./tester.ts";
export { webSocketNetwork } from "./web_sockets.ts";
export { nodeNetwork as tcpNetwork } from "../lib/transport/tcp_node.ts";
