import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { lacksZone, parseIpAddress, toFamily } from "./ip_address.ts";

describe("parseIpAddress", () => {
  const canonical: [given: string, text: string, family: 4 | 6, multicast: boolean][] = [
    ["127.0.0.1", "127.0.0.1", 4, false],
    ["255.255.255.255", "255.255.255.255", 4, false],
    ["224.0.1.187", "224.0.1.187", 4, true],
    ["239.255.255.255", "239.255.255.255", 4, true],
    ["240.0.0.1", "240.0.0.1", 4, false],
    ["::", "::", 6, false],
    ["::1", "::1", 6, false],
    ["0:0:0:0:0:0:0:1", "::1", 6, false],
    ["2001:DB8::0:1", "2001:db8::1", 6, false],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", 6, false],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", 6, false],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1", 6, false],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", 6, false],
    ["fe80::", "fe80::", 6, false],
    ["FE80::0001%eth0", "fe80::1%eth0", 6, false],
    ["ff02::fd", "ff02::fd", 6, true],
    ["ff02::fd%eth0", "ff02::fd%eth0", 6, true],
    ["::1%lo", "::1", 6, false],
    ["fe8::1%lo", "fe8::1", 6, false],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.1", 6, false],
    ["::FFFF:c000:201", "::ffff:192.0.2.1", 6, false],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221", 6, false],
  ];
  for (const [given, text, family, multicast] of canonical) {
    it(`writes ${given} as ${text}`, () => {
      const address = parseIpAddress(given);
      assertEquals([address?.text, address?.family, address?.multicast], [text, family, multicast]);
    });
  }

  for (
    const text of [
      "",
      "localhost",
      "1.2.3",
      "1.2.3.4.5",
      "256.1.1.1",
      "01.2.3.4",
      "127.0.0.1%lo",
      ":",
      ":::",
      "::1::",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7::8",
      "12345::",
      "::g",
      "[::1]",
      "fe80::1%",
      "fe80::1%a b",
      "1.2.3.4::",
      "::1.2.3.4:1",
      "1:2:3:4:5:6:7:1.2.3.4",
    ]
  ) {
    it(`takes "${text}" for no IP address`, () => {
      assertEquals(parseIpAddress(text), undefined);
    });
  }

  it("keeps the zone apart as well", () => {
    assertEquals(parseIpAddress("fe80::1%eth0")?.zone, "eth0");
    assertEquals(parseIpAddress("::1")?.zone, "");
  });
});

describe("toFamily", () => {
  it("maps IPv4 into IPv6 and back", () => {
    const v4 = parseIpAddress("192.0.2.1")!;
    const v6 = toFamily(v4, 6)!;
    assertEquals(v6.text, "::ffff:192.0.2.1");
    assertEquals(toFamily(v6, 4), v4);
    assertEquals(toFamily(v6, 6), v6);
  });

  it("knows no IPv4 address for any other IPv6 address", () => {
    assertEquals(toFamily(parseIpAddress("::1")!, 4), undefined);
  });
});

describe("lacksZone", () => {
  it("is true for a bare link-local address alone", () => {
    assertEquals(
      ["fe80::1", "febf::1", "fe80::1%eth0", "fec0::1", "fe8::1", "::1"].map(lacksZone),
      [true, true, false, false, false, false],
    );
  });
});
