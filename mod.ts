/**
 * CoAP, the Constrained Application Protocol (RFC 7252): client and server.
 *
 * @module
 */

export { CoAPError, type CoAPErrorReason } from "./lib/errors.ts";
