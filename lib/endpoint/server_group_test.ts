import { assert, assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { GROUP, groupsMissing } from "../../testing/multicast.ts";
import { NetworkPeer } from "../../testing/network_peer.ts";
import { Simulation } from "../../testing/simulated_endpoints.ts";
import { CoAPClient } from "./client.ts";
import { Code } from "../wire/code.ts";
import { decode, MessageType } from "../wire/message.ts";
import type { BindOptions } from "../transport/transport.ts";
import type { IncomingRequest } from "./incoming_request.ts";
import { CoAPResponse } from "./response.ts";
import { Router } from "./router.ts";
import { serve, type ServeOptions } from "./server.ts";

/** DEFAULT_LEISURE, ms. */
const LEISURE = 5000;

const noGroups = await groupsMissing("127.0.0.1", GROUP, "127.0.0.1");

describe("a server in groups", () => {
  let net: Simulation;
  let peer: NetworkPeer;
  beforeEach(async () => {
    net = new Simulation();
    peer = (await new NetworkPeer(net).bind("127.0.0.1", 40_000)).talksTo(GROUP);
  });
  afterEach(async () => {
    await net.rest();
    await net.close();
  });

  const router = new Router()
    .get("/shared", () => CoAPResponse.text("shared"), { multicast: true, observable: true })
    .get("/empty", () => new CoAPResponse(), { multicast: true })
    .get("/broken", () => {
      throw new Error("Broken");
    }, { multicast: true })
    .resource("/lamp", { multicast: true, rt: "lamp" }, {
      put: () => new CoAPResponse(undefined, { code: Code.Changed }),
    })
    .get("/own", () => CoAPResponse.text("own"));

  it("answers from its own address, NON, after a random time up to Leisure (7252-8-4, 8-5)", async () => {
    await net.serve(router, { multicast: true });
    const times: number[] = [];
    for (let i = 0; i < 50; i++) {
      const hex = (0x1000 + i).toString(16);
      await peer.sends(`NON GET 0x${hex} token ${hex} /shared`);
      peer.talksTo(GROUP);
      const start = net.clock.now();
      await peer.receives(`NON 2.05 _ token ${hex} Content-Format:0 "shared"`);
      times.push(net.clock.now() - start - net.latency);
      await net.after(LEISURE);
      peer.talksTo(GROUP);
    }
    times.sort((a, b) => a - b);
    assert(times[0]! >= 0 && times[49]! <= LEISURE, `${times}`);
    assert(times[12]! > 500 && times[37]! < 4500 && times[37]! - times[12]! > 1000, `${times}`);
    const answers = net.sent.filter(({ to }) => to.port === 40_000);
    assert(answers.every(({ from }) => from.address === "127.0.0.1" && from.port === 5683));
  });

  it("says nothing where it would have to say an error, or has nothing to say (7252-8-3)", async () => {
    const errors: unknown[] = [];
    await net.serve(router, { multicast: true, onError: (error) => errors.push(`${error}`) });
    const lines = [
      ...[
        "GET 0x0001 token 01 /missing",
        "PUT 0x0002 token 02 /shared",
        "GET 0x0003 token 03 /empty",
      ],
      ...[
        "GET 0x0004 token 04 /broken",
        "GET 0x0005 token 05 /shared 65001:0x01",
        "GET 0x0006 token 06 /shared/..",
      ],
      ...["GET 0x0007 token 07 /.well-known/core ?rt=none"],
    ];
    for (const line of lines) await peer.sends(`NON ${line}`);
    await peer.hearsNothing(2 * LEISURE);
    assertEquals(errors, ["Error: Broken"]);
    await peer.sends("NON GET 0x0008 token 08 /.well-known/core ?rt=lamp");
    await peer.receives('NON 2.05 _ token 08 Content-Format:40 "</lamp>;rt=\\"lamp\\""');
  });

  it("answers for the resources alone that are meant for it (7252-11.3-2)", async () => {
    await net.serve(router, { multicast: [GROUP] });
    await peer.sends("NON GET 0x0001 token 01 /own");
    await peer.hearsNothing(2 * LEISURE);
    await peer.sends('NON PUT 0x0002 token 02 /lamp Content-Format:0 "on"');
    await peer.receives("NON 2.04 _ token 02");
    peer.talksTo("127.0.0.1");
    await peer.sends("NON GET 0x0003 token 03 /own");
    await peer.receives('NON 2.05 _ token 03 Content-Format:0 "own"');
    assertEquals(router.links.find(({ href }) => href === "/lamp")?.attributes, [["rt", "lamp"]]);
  });

  it("answers errors where No-Response asks for them (7967-2-3)", async () => {
    await net.serve(router, { multicast: true });
    await peer.sends("NON GET 0x0001 token 01 /missing No-Response:2");
    await peer.receives("NON 4.04 _ token 01");
    peer.talksTo(GROUP);
    await peer.sends("NON GET 0x0002 token 02 /shared No-Response:2");
    await peer.hearsNothing(2 * LEISURE);
  });

  it("sends neither Reset nor acknowledgement, and serves no Confirmable request (7252-8-1, 8-2)", async () => {
    let served = 0;
    await net.serve(() => {
      served++;
      return CoAPResponse.text("");
    }, { multicast: true });
    await peer.sends("CON GET 0x0001 token 01 /shared");
    await peer.sends("CON Empty 0x0002");
    await peer.sends("NON Empty 0x0003");
    await peer.sends("NON 2.05 0x0004 token 04"); // nobody has asked
    await peer.sends("CON 2.05 0x0005 token 05");
    await peer.sends("NON 1.00 0x0006 token 06 #01"); // a reserved class
    await peer.hearsNothing(2 * LEISURE);
    assertEquals(served, 0);
  });

  it("shows the handler that a request is for a group, and registers no observers by it", async () => {
    const seen: [boolean, string][] = [];
    const handler = (request: IncomingRequest): CoAPResponse => {
      seen.push([request.peer.multicast, request.uri]);
      return CoAPResponse.text("");
    };
    const server = await net.serve((request) => {
      handler(request);
      return router.handle(request);
    }, { multicast: true });
    await peer.sends("NON GET 0x0001 token 01 Observe:0 /shared");
    await peer.receives('NON 2.05 _ token 01 Content-Format:0 "shared"');
    assertEquals(await server.notify("/shared"), 0);
    peer.talksTo("127.0.0.1");
    await peer.sends("NON GET 0x0002 token 02 /shared");
    await peer.receives('NON 2.05 _ token 02 Content-Format:0 "shared"');
    assertEquals(seen, [[true, `coap://${GROUP}/shared`], [false, "coap://127.0.0.1/shared"]]);
  });

  it("knows the message that came by both ways for one", async () => {
    let served = 0;
    await net.serve((request) => {
      served++;
      return router.handle(request);
    }, { multicast: true });
    for (const address of [GROUP, "127.0.0.1"]) {
      peer.talksTo(address);
      await peer.sends("NON GET 0x0001 token 01 /shared");
    }
    await peer.receives('NON 2.05 _ token 01 Content-Format:0 "shared"');
    await peer.hearsNothing(2 * LEISURE);
    assertEquals(served, 1);
  });

  it("is one of many that a client hears (7252-8-6)", async () => {
    for (const host of ["127.0.0.1", "127.0.0.2", "127.0.0.3"]) {
      await net.serve(() => CoAPResponse.text(host), { hostname: host, multicast: true });
    }
    const texts: string[] = [];
    const asking = (async () => {
      for await (const response of net.client().group(`coap://${GROUP}/`)) {
        assertEquals(response.text(), response.peer!.address);
        texts.push(response.text());
      }
    })();
    await net.run(asking);
    assertEquals(texts.sort(), ["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    const types = net.sent.map(({ bytes }) => decode(bytes).type);
    assert(types.every((type) => type === MessageType.NonConfirmable));
  });

  it("joins All CoAP Nodes of its family, or what it is told", async () => {
    const groups: unknown[] = [];
    const cases: ServeOptions[] = [
      {},
      { multicast: false },
      { multicast: true },
      { multicast: true, family: 6 },
      { multicast: true, hostname: "::1" },
      { multicast: new Set(["224.0.0.9", { group: GROUP, interface: "lo" }]) },
    ];
    for (const options of cases) {
      const transport = (given: BindOptions, handler: Parameters<typeof net.network.bind>[1]) => {
        groups.push(given.groups);
        return net.network.bind({ ...given, groups: [] }, handler);
      };
      await (await net.serve(() => CoAPResponse.text(""), { ...options, transport })).close();
    }
    assertEquals(groups, [
      [],
      [],
      [{ group: GROUP }],
      [{ group: "ff02::fd" }, { group: "ff05::fd" }],
      [{ group: "ff02::fd" }, { group: "ff05::fd" }],
      [{ group: "224.0.0.9" }, { group: GROUP, interface: "lo" }],
    ]);
  });

  for (const hostname of ["127.0.0.1", "0.0.0.0"]) {
    it(`on real sockets, bound to ${hostname}`, { skip: noGroups }, async () => {
      const server = await serve({
        hostname,
        port: 0,
        multicast: [{ group: GROUP, interface: "127.0.0.1" }],
        parameters: { defaultLeisure: 20 },
      }, router);
      const client = new CoAPClient({ hostname: "127.0.0.1", multicastInterface: "127.0.0.1" });
      const { port } = server.address;
      const answers: string[] = [];
      for (const path of ["shared", "own"]) {
        const uri = `coap://${GROUP}:${port}/${path}`;
        for await (const response of client.group(uri, { timeout: 300 })) {
          answers.push(
            `${response.peer!.address} ${response.peer!.port === port} ${response.text()}`,
          );
        }
      }
      assertEquals(answers, ["127.0.0.1 true shared"]);
      const own = await client.get(`coap://127.0.0.1:${port}/own`);
      assertEquals(own.text(), "own");
      await client.close();
      await server.close();
    });
  }
});
