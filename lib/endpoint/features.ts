/** What the runtime's sockets offer, for those above the endpoint. @module */

export { type UdpFeatures, udpFeatures } from "../transport/udp.ts";
