import { assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { SERVER, Simulation } from "../../testing/simulated_endpoints.ts";
import { CoAPResponse } from "./response.ts";

describe("requests to one resource at the same time", () => {
  let net: Simulation;
  beforeEach(() => {
    net = new Simulation();
  });
  afterEach(async () => {
    await net.rest();
    await net.close();
  });

  for (const method of ["FETCH", "POST"]) {
    it(`${method}: large responses are told apart by Request-Tag (9175-3-2)`, async () => {
      await net.serve((request) => new CoAPResponse(request.text().repeat(5000)));
      const client = net.client();
      const payloads = ["a", "b", "c", "d", "e"];
      const asked = payloads.map((payload) => client.request(method, `${SERVER}/x`, { payload }));
      const texts = (await net.run(Promise.all(asked))).map((response) => response.text());
      assertEquals(texts, payloads.map((payload) => payload.repeat(5000)));
    });
  }
});
