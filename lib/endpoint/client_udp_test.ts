import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { makeBody } from "../../testing/bodies.ts";
import { Code } from "../wire/code.ts";
import { CoAPClient } from "./client.ts";
import { CoAPResponse } from "./response.ts";
import { Router } from "./router.ts";
import { serve } from "./server.ts";

describe("a client and a server over UDP", () => {
  it("observe, and stream bodies both ways", async () => {
    let state = makeBody(1);
    const router = new Router().resource("/state", { observable: true }, {
      get: () => new CoAPResponse(state),
      put: (request) => {
        state = new Uint8Array(request.payload);
        return new CoAPResponse(undefined, { code: Code.Changed });
      },
      delete: () => new CoAPResponse(undefined, { code: Code.Deleted }),
    });
    const server = await serve({ hostname: "127.0.0.1", port: 0 }, router);
    const client = new CoAPClient();
    try {
      const uri = `coap://127.0.0.1:${server.address.port}/state`;
      const states = client.observe(uri);
      assertEquals((await states.next()).value!.payload, makeBody(1));
      for (const length of [5, 100_000]) {
        const body = Uint8Array.from(makeBody(length, length));
        const put = await client.put(uri, { payload: new Blob([body]).stream() });
        assertEquals(put.code, Code.Changed);
        server.notify("/state");
        assertEquals((await states.next()).value!.payload, body);
        const got = await client.get(uri, { stream: true });
        assertEquals(new Uint8Array(await new Response(got.body).arrayBuffer()), body);
      }
      server.notify("/state", CoAPResponse.error(Code.NotFound));
      const { value } = await states.next();
      assertEquals([value!.codeText, value!.observed], ["4.04", false]);
      assertEquals((await states.next()).done, true);
    } finally {
      await client.close();
      await server.close();
    }
  });
});
