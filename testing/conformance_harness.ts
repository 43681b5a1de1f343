/** The reference server in memory, put through cases under a clock of its own. @module */

import { type CaseResult, judgeServer } from "../conformance/runner.ts";
import type { ServerCase } from "../conformance/case.ts";
import { type ClientCase, judgeClient } from "../conformance/client_case.ts";
import { ourClient } from "../conformance/client_ours.ts";
import type { StreamServerCase } from "../conformance/server_streams.ts";
import { judgeStreamServer } from "../conformance/stream_runner.ts";
import { judgeStreamClient, type StreamClientCase } from "../conformance/stream_script.ts";
import { startTarget } from "../conformance/target.ts";
import { proxy } from "../lib/endpoint/proxy.ts";
import type { ServeOptions } from "../lib/endpoint/server.ts";
import type { ByteNetwork, StreamTarget } from "../lib/transport/stream.ts";
import { framed } from "../lib/transport/tcp.ts";
import type { Bind } from "../lib/transport/transport.ts";
import { Simulation } from "./simulated_endpoints.ts";
import { StreamSimulation } from "./simulated_streams.ts";
import { SeededRandom } from "./seeded_random.ts";

/** Where servers over connections listen. */
const STREAM_TARGET: StreamTarget = { scheme: "coap+tcp", host: "127.0.0.1", port: 5683 };

/** The group that the server is a member of. */
const GROUP = "224.0.1.187";

/** Cases about what has to be switched on, and how it is. */
const SETTINGS: Readonly<Record<string, ServeOptions>> = {
  "7252-4.7-6": { requestRate: 10 },
  "8516-3-1": { requestRate: 10 },
  "8516-3-2": { requestRate: 10 },
  "9175-2.4-1": { amplification: 3 },
};

/**
 * Puts a server of its own through one case, in memory.
 *
 * @param spoil what to do to the server's socket
 */
export async function judgeInMemory(
  one: ServerCase,
  spoil: (bind: Bind) => Bind = (bind) => bind,
): Promise<CaseResult> {
  const net = new Simulation({ latency: 5 });
  const { clock, network: { bind } } = net;
  const target = await startTarget({
    transport: spoil(bind),
    clock,
    random: new SeededRandom(11).fill,
    multicast: [GROUP],
    ...SETTINGS[one.id],
    ...(one.proxy && { proxy: proxy({ allow: ["127.0.0.1:*"] }) }),
  });
  try {
    return await net.run(
      judgeServer(one, {
        target: { address: "127.0.0.1", port: 5683 },
        bind,
        clock,
        group: GROUP,
        proxy: "127.0.0.1",
        slow: true,
      }),
      100_000_000,
    );
  } finally {
    await target.close();
  }
}

/** Bytes arrive in portions of any size, but for mutants, which cut them into messages. */
function simulate(spoil: unknown): StreamSimulation {
  const portion = [65_536, 65_536] as const;
  return new StreamSimulation({ latency: 5, ...(spoil !== undefined && { portion }) });
}

/**
 * Puts a server of its own through one case over connections, in memory.
 *
 * @param spoil what to do to the server's network
 */
export async function judgeStreamInMemory(
  one: StreamServerCase,
  spoil?: (network: ByteNetwork) => ByteNetwork,
): Promise<CaseResult> {
  const net = simulate(spoil);
  const { clock, network } = net;
  const target = await startTarget({
    udp: false,
    tcp: true,
    streamTransport: framed(spoil?.(network) ?? network),
    clock,
    random: new SeededRandom(17).fill,
    ...SETTINGS[one.id],
  });
  try {
    return await net.run(
      judgeStreamServer(one, { target: STREAM_TARGET, network, clock, slow: true }),
      100_000_000,
    );
  } finally {
    await target.close();
  }
}

/**
 * Puts the library's client through one case, in memory.
 *
 * @param spoil what to do to the client's socket
 */
export async function judgeClientInMemory(
  one: ClientCase,
  spoil: (bind: Bind) => Bind = (bind) => bind,
): Promise<CaseResult> {
  const net = new Simulation({ latency: 5 });
  const { clock, network: { bind } } = net;
  const random = new SeededRandom(13).fill;
  const client = ourClient({ transport: spoil(bind), clock, random });
  const result = await net.run(judgeClient(one, { client, bind, clock, slow: true }), 10_000_000);
  await net.after(400_000); // what a case has left under way ends
  return result;
}

/**
 * Puts the library's client through one case over connections, in memory.
 *
 * @param spoil what to do to the client's network
 */
export async function judgeStreamClientInMemory(
  one: StreamClientCase,
  spoil?: (network: ByteNetwork) => ByteNetwork,
): Promise<CaseResult> {
  const net = simulate(spoil);
  const { clock, network } = net;
  const random = new SeededRandom(19).fill;
  const client = ourClient({ streamTransport: framed(spoil?.(network) ?? network), clock, random });
  const judged = judgeStreamClient(one, { client, network, clock, slow: true });
  const result = await net.run(judged, 10_000_000);
  await net.after(400_000); // what a case has left under way ends
  return result;
}
