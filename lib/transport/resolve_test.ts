import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { CoAPError } from "../errors.ts";
import { resolveHost } from "./resolve.ts";

describe("resolveHost", () => {
  it("returns literals in canonical form", async () => {
    assertEquals(await resolveHost("192.0.2.1"), ["192.0.2.1"]);
    assertEquals(await resolveHost("2001:DB8:0::1"), ["2001:db8::1"]);
    assertEquals(await resolveHost("fe80::1%eth0"), ["fe80::1%eth0"]);
    assertEquals(await resolveHost("::1", 6), ["::1"]);
  });

  it("finds a name's addresses", async () => {
    assert((await resolveHost("localhost")).some((found) => ["127.0.0.1", "::1"].includes(found)));
    assertEquals((await resolveHost("localhost", 4))[0], "127.0.0.1");
  });

  it("rejects a literal of the other family", async () => {
    for (const [hostname, family] of [["127.0.0.1", 6], ["::1", 4]] as const) {
      const error = await assertRejects(
        () => resolveHost(hostname, family),
        CoAPError,
        `"${hostname}"`,
      );
      assertEquals(error.reason, "name-resolution");
    }
  });

  it("rejects a name without an address, with the cause", async () => {
    for (const hostname of ["nowhere.invalid", "[::1]", "127.0.0.256"]) {
      const error = await assertRejects(() => resolveHost(hostname), CoAPError, `"${hostname}"`);
      assertEquals(error.reason, "name-resolution");
      assert(error.cause instanceof Error);
    }
  });
});
