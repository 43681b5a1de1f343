/**
 * CoAP, the Constrained Application Protocol (RFC 7252): client and server.
 *
 * @module
 */

export { CoAP, type CoAPOptions } from "./lib/component/coap.ts";
export {
  CoAPErrorEvent,
  type CoAPEventListener,
  type CoAPEventMap,
  type CoAPEventName,
  type CoAPListener,
  CoAPLogEvent,
  CoAPNotificationEvent,
  CoAPRegisterEvent,
  CoAPRequestCompleteEvent,
  CoAPRequestEvent,
  type CoAPResourceEvent,
  CoAPResponseCompleteEvent,
  CoAPUnregisteredEvent,
} from "./lib/component/events.ts";
export { CoAPOption, CoAPOptionList, CoAPOptionValueTypes } from "./lib/component/option_list.ts";
export { CoAPRequest, CoAPRequestMap } from "./lib/component/request_map.ts";
export {
  type ConnectionParameters,
  DEFAULT_CONNECTION_PARAMETERS,
} from "./lib/connection_parameters.ts";
export type { CacheMode, CacheOptions } from "./lib/endpoint/cache.ts";
export { CoAPClient } from "./lib/endpoint/client.ts";
export { type Clock, type ClockTimer, systemClock } from "./lib/endpoint/clock.ts";
export type { RawMessage } from "./lib/endpoint/driver.ts";
export type {
  CoAPClientOptions,
  DiscoverOptions,
  EndpointOptions,
  PingOptions,
} from "./lib/endpoint/endpoint_options.ts";
export type { GroupInit } from "./lib/endpoint/group.ts";
export type { IncomingRequest } from "./lib/endpoint/incoming_request.ts";
export type { CoAPNotification } from "./lib/endpoint/notification.ts";
export type { ObserveInit } from "./lib/endpoint/observe.ts";
export type { OptionInput } from "./lib/endpoint/options.ts";
export type { CoAPRequestInit, TransferProgress } from "./lib/endpoint/outgoing.ts";
export type { ParamNames, PathParams } from "./lib/endpoint/pattern.ts";
export { type CoAPProxy, proxy } from "./lib/endpoint/proxy.ts";
export type { ProxyOptions } from "./lib/endpoint/proxy_options.ts";
export type { ProxyRule, ProxyTarget } from "./lib/endpoint/proxy_rule.ts";
export type {
  AttributeValue,
  ResourceAttributes,
  ResourceHandlers,
  RouteHandler,
  RouteOptions,
} from "./lib/endpoint/resource.ts";
export { CoAPResponse, type CoAPResponseInit } from "./lib/endpoint/response.ts";
export { Router } from "./lib/endpoint/router.ts";
export {
  type Handler,
  type HandlerObject,
  type NotificationOptions,
  type NotifyOptions,
  serve,
  type ServeOptions,
  type Server,
  type ServerAddresses,
  type ServerTls,
} from "./lib/endpoint/server.ts";
export type { EndpointStats } from "./lib/endpoint/stats.ts";
export type { ProxySettings } from "./lib/endpoint/via.ts";
export type { EngineSizes } from "./lib/engine/engine.ts";
export type { RandomSource } from "./lib/engine/entropy.ts";
export type { Stats } from "./lib/engine/stats.ts";
export type { UnobservedReason } from "./lib/engine/types.ts";
export { CoAPError, type CoAPErrorReason } from "./lib/errors.ts";
export type { Address, Flow } from "./lib/flow.ts";
export {
  DEFAULT_LIMITS,
  DEFAULT_PARAMETERS,
  type Limits,
  type TransmissionParameters,
} from "./lib/parameters.ts";
export type {
  BindStream,
  ClientTlsOptions,
  ListenOptions,
  ServerTlsOptions,
  StreamHandler,
  StreamOptions,
  StreamScheme,
  StreamTarget,
  StreamTransport,
  TlsOptions,
} from "./lib/transport/stream.ts";
export type {
  Bind,
  BindOptions,
  GroupMembership,
  Resolve,
  Transport,
  TransportHandler,
} from "./lib/transport/transport.ts";
export type { WebSocketLike, WebSocketPeer } from "./lib/transport/ws.ts";
export { Code, codeName, codeText } from "./lib/wire/code.ts";
export { ContentFormat } from "./lib/wire/content_format.ts";
export type { Link, LinkAttribute } from "./lib/wire/link_format.ts";
export { type Option, OptionNumber } from "./lib/wire/option.ts";
