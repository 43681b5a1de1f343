import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { canonicalIPv6, isIPv4, isIPv6 } from "./ip_address.ts";

describe("canonicalIPv6", () => {
  const cases: [string, string][] = [
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0db8::0001", "2001:db8::1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
    ["::ffff:c000:201", "::ffff:192.0.2.1"],
    ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
    ["fe80::1%eth0", "fe80::1%eth0"],
    ["FE80::1%Eth0", "fe80::1%Eth0"],
  ];
  for (const [text, canonical] of cases) {
    it(`${text} is ${canonical}`, () => {
      assertEquals(canonicalIPv6(text), canonical);
      assertEquals(canonicalIPv6(canonical), canonical);
      assertEquals(isIPv6(text), true);
    });
  }

  const refused = [
    ...["", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::"],
    ...["1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "::1%"],
    ...[
      "192.0.2.1",
      "::192.0.2",
      "::192.0.2.256",
      "192.0.2.1::",
      "::192.0.2.1:1",
      "1:2:3:4:5:6:7:1.2.3.4",
    ],
    ...[" ::1", "[::1]", "example.net", "%eth0"],
  ];
  for (const text of refused) {
    it(`refuses "${text}"`, () => assertEquals(canonicalIPv6(text), undefined));
  }
});

describe("isIPv4", () => {
  it("takes four numbers from 0 to 255", () => {
    for (const text of ["0.0.0.0", "192.0.2.1", "255.255.255.255"]) {
      assertEquals(isIPv4(text), true);
    }
    for (
      const text of ["", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.x", "1.2.3.", "::1"]
    ) {
      assertEquals(isIPv4(text), false, text);
    }
  });
});
