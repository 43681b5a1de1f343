/**
 * A client: GETs of `/test`, a number of them at once, checked. Prints how many it has made, every time it is asked.
 *
 * `node bench/programs/get.mjs PORT AT_ONCE [node-coap | dgram]`
 *
 * @module
 */

import process from "node:process";

const [port, atOnce, library] = process.argv.slice(2);
const hostname = "127.0.0.1";
const PAYLOAD = "0123456789abcdef";
/** Requests from one source port: no message ID is used twice. */
const PER_SOURCE = 50_000;

/** Each makes one GET, reads the text of its response, and closes the source port. */
async function ours() {
  const { CoAPClient } = await import("../../mod.ts");
  const client = new CoAPClient({ parameters: { nstart: Number(atOnce) } });
  const uri = `coap://${hostname}:${port}/test`;
  return {
    get: () => client.get(uri),
    read: (response) => response.text(),
    close: () => client.close(),
  };
}

async function nodeCoap() {
  const { default: coap } = await import("coap");
  const agent = new coap.Agent({ type: "udp4" });
  const options = { hostname, port: Number(port), pathname: "/test", agent };
  const get = () =>
    new Promise((resolve, reject) => {
      const request = coap.request(options);
      request.on("response", resolve);
      request.on("error", reject);
      request.end();
    });
  return { get, read: (response) => response.payload.toString(), close: () => agent.close() };
}

/** The same datagrams and nothing else: no retransmission, no matching of tokens. About the least that dgram takes. */
async function plain() {
  const { default: dgram } = await import("node:dgram");
  const lookup = (name, _options, callback) => callback(null, name, 4);
  const socket = dgram.createSocket({ type: "udp4", lookup });
  await new Promise((resolve) => socket.bind(0, hostname, resolve));
  const waiting = new Array(PER_SOURCE + Number(atOnce));
  let id = 0;
  socket.on("message", (bytes) => {
    waiting[bytes[2] << 8 | bytes[3]](bytes);
  });
  const get = () =>
    new Promise((resolve) => {
      waiting[id] = resolve;
      const [high, low] = [id >> 8, id++ & 0xff];
      const request = [0x44, 1, high, low, 0, 0, high, low, 0xb4, 0x74, 0x65, 0x73, 0x74];
      socket.send(Uint8Array.from(request), Number(port), hostname);
    });
  const read = (bytes) => bytes.latin1Slice(bytes.length - PAYLOAD.length);
  return { get, read, close: () => socket.close() };
}

const open = { "node-coap": nodeCoap, dgram: plain }[library] ?? ours;
let client = await open();
let opened = 0;
let done = 0;

async function work() {
  for (;;) {
    if (done - opened >= PER_SOURCE) {
      opened = done;
      const spent = client;
      client = await open();
      setTimeout(spent.close, 1000); // what others have under way comes to its end
    }
    const text = client.read(await client.get());
    if (text !== PAYLOAD) throw new Error(`Wrong response: "${text}"`);
    done++;
  }
}

process.stdin.on("data", () => console.log(done));
for (let i = 0; i < Number(atOnce); i++) work();
console.log(done);
