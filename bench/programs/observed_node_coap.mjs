/** What `observed.mjs` is, with node-coap. @module */

import coap from "coap";

const observers = new Set();
let state = 0;
const text = () => String(state).padStart(16, "0");
const server = coap.createServer((request, response) => {
  if (request.headers.Observe === 0) {
    observers.add(response);
    response.on("finish", () => observers.delete(response));
    response.write(text());
  } else if (request.method === "POST") {
    state++;
    for (const observer of observers) observer.write(text());
    response.code = "2.04";
    response.end();
  } else response.end(text());
});
server.listen(0, "127.0.0.1", () => {
  // It sends to all at once: the acknowledgements would not fit into the buffer that sockets have.
  server._sock.setRecvBufferSize(4 << 20);
  console.log(server._sock.address().port);
});
