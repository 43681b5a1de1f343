/** What `serve.mjs` is, with node-coap. @module */

import coap from "coap";

const payload = Buffer.from("0123456789abcdef");
const server = coap.createServer((_request, response) => response.end(payload));
server.listen(0, "127.0.0.1", () => console.log(server._sock.address().port));
