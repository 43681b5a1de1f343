import { assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { GatewaySimulation } from "../../testing/simulated_gateway.ts";
import { Code } from "../wire/code.ts";
import type { HTTPGateway } from "./http_gateway.ts";
import { CoAPResponse } from "./response.ts";

const OWN = "http://gateway.example";
const DASHBOARD = "https://dashboard.example";

describe("pages of other origins", () => {
  let net: GatewaySimulation;
  let asked = 0;
  beforeEach(async () => {
    net = new GatewaySimulation();
    asked = 0;
    await net.serve(({ code }) => {
      asked++;
      return new CoAPResponse(undefined, { code: code === Code.GET ? Code.Content : Code.Changed });
    });
  });
  afterEach(() => net.end());

  /** Status and what the page may see. */
  async function ask(gateway: HTTPGateway, method: string, origin: string): Promise<unknown[]> {
    const { status, headers } = await net.ask(gateway, "/a", { method, headers: { origin } });
    return [status, headers.get("access-control-allow-origin"), headers.get("vary")];
  }

  it("change nothing, unless they are let in", async () => {
    const gateway = net.gateway();
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      assertEquals(await ask(gateway, method, DASHBOARD), [403, null, null]);
      assertEquals((await ask(gateway, method, "null"))[0], 403);
    }
    assertEquals(asked, 0);
    assertEquals((await ask(gateway, "POST", OWN))[0], 204);
    assertEquals((await ask(gateway, "POST", "https://gateway.example"))[0], 204);
    assertEquals(await ask(gateway, "GET", DASHBOARD), [200, null, "accept"]);
  });

  it("are let in by name, or all of them", async () => {
    const one = net.gateway({ origins: [DASHBOARD] });
    assertEquals(await ask(one, "PUT", DASHBOARD), [204, DASHBOARD, "origin"]);
    assertEquals(await ask(one, "GET", DASHBOARD), [200, DASHBOARD, "accept, origin"]);
    assertEquals(await ask(one, "PUT", "https://other.example"), [403, null, "origin"]);
    assertEquals(await ask(one, "GET", "https://other.example"), [200, null, "accept, origin"]);
    assertEquals(await ask(one, "PROPFIND", DASHBOARD), [501, DASHBOARD, "origin"]);
    const all = net.gateway({ origins: ["*"] });
    assertEquals(await ask(all, "PUT", "https://other.example"), [
      204,
      "https://other.example",
      "origin",
    ]);
    assertEquals((await ask(all, "PUT", "null"))[0], 204);
  });

  it("see more than the plain header fields", async () => {
    const gateway = net.gateway({ origins: [DASHBOARD] });
    const { headers } = await net.ask(gateway, "/a", { headers: { origin: DASHBOARD } });
    assertEquals(headers.get("access-control-expose-headers"), "etag, location, retry-after");
  });

  it("may ask before, where they are let in", async () => {
    const preflight = async (gateway: HTTPGateway, origin: string): Promise<unknown[]> => {
      const { status, headers } = await net.ask(gateway, "/a", {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "PUT" },
      });
      return [status, headers.get("access-control-allow-methods")];
    };
    const gateway = net.gateway({ origins: [DASHBOARD], methods: ["GET", "PUT"] });
    assertEquals(await preflight(gateway, DASHBOARD), [204, "GET, PUT, HEAD"]);
    assertEquals(await preflight(gateway, "https://other.example"), [501, null]);
    assertEquals(await preflight(net.gateway(), DASHBOARD), [501, null]);
    assertEquals((await ask(gateway, "OPTIONS", DASHBOARD))[0], 501);
    assertEquals(asked, 0);
  });
});
