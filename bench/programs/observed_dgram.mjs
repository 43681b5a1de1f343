/**
 * What `observed.mjs` sends, over plain dgram and nothing else: the datagrams to each observer, no retransmission, no pace.
 * About the least that dgram takes.
 *
 * @module
 */

import dgram from "node:dgram";

const CONFIRMABLE = 0;
const ACKNOWLEDGEMENT = 2;
const lookup = (name, _options, callback) => callback(null, name, 4);
const socket = dgram.createSocket({ type: "udp4", lookup });
const observers = [];
let state = 0;
let id = 0;

/** A message of code 2.05 with Observe, Content-Format 0 and the state, of a token of two bytes. */
function notification(type, id, token) {
  const observe = [0x62, state >> 8 & 0xff, state & 0xff, 0x60, 0xff];
  const text = Buffer.from(String(state).padStart(16, "0"));
  return Uint8Array.from([
    0x42 | type << 4,
    0x45,
    id >> 8,
    id & 0xff,
    ...token,
    ...observe,
    ...text,
  ]);
}

socket.on("message", (bytes, { port, address }) => {
  const [first, code, high, low] = bytes;
  if ((first >> 4 & 3) === ACKNOWLEDGEMENT) return;
  const token = bytes.subarray(4, 6);
  if (code === 1) {
    observers.push({ port, address });
    socket.send(notification(ACKNOWLEDGEMENT, high << 8 | low, token), port, address);
    return;
  }
  state++;
  socket.send(Uint8Array.of(0x62, 0x44, high, low, ...token), port, address);
  const same = notification(CONFIRMABLE, 0, token);
  for (const observer of observers) {
    const own = Uint8Array.from(same);
    id = id + 1 & 0xffff;
    own[2] = id >> 8;
    own[3] = id;
    socket.send(own, observer.port, observer.address);
  }
});
socket.bind(0, "127.0.0.1", () => {
  socket.setRecvBufferSize(4 << 20);
  console.log(socket.address().port);
});
