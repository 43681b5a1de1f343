import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { CoAPError } from "../errors.ts";
import { decomposeUri } from "../wire/uri.ts";
import type { IncomingRequest } from "./incoming_request.ts";
import { makeJudge, type ProxyTarget, reachOf, resolveWithin } from "./proxy_rule.ts";

const REQUEST = {} as IncomingRequest;

describe("makeJudge", () => {
  function judgeAll(rule: string[], uris: string[]): unknown[] {
    const judge = makeJudge(rule, false);
    return uris.filter((uri) => judge(decomposeUri(uri), REQUEST) === "anywhere");
  }

  it("refuses everything without a rule", () => {
    for (const uri of ["coap://127.0.0.1/", "coap://sensor.example/", "coap://192.0.2.1/"]) {
      assertEquals(makeJudge(undefined, true)(decomposeUri(uri), REQUEST), "refused");
    }
  });

  it("takes an authority for that host and port alone", () => {
    assertEquals(
      judgeAll(["Sensor.example", "192.0.2.7:5700", "[2001:DB8:0::7]"], [
        "coap://sensor.example/a/b?c",
        "coap://SENSOR.example:5683",
        "coap://sensor.example:5684/",
        "coap://a.sensor.example/",
        "coap://sensor.example.org/",
        "coap://192.0.2.7:5700/",
        "coap://192.0.2.7/",
        "coap://[2001:db8::7]/x",
        "coap://[2001:db8::8]/x",
      ]),
      [
        "coap://sensor.example/a/b?c",
        "coap://SENSOR.example:5683",
        "coap://192.0.2.7:5700/",
        "coap://[2001:db8::7]/x",
      ],
    );
  });

  it("takes an asterisk for all ports", () => {
    assertEquals(
      judgeAll(["sensor.example:*", "[::1]:*"], [
        "coap://sensor.example/",
        "coap://sensor.example:61616/",
        "coap://[::1]:7/",
        "coap://[::2]:7/",
      ]),
      ["coap://sensor.example/", "coap://sensor.example:61616/", "coap://[::1]:7/"],
    );
  });

  it("takes a path for itself and what is below it", () => {
    assertEquals(
      judgeAll(["coap://sensor.example/public/", "gate.example:*/a%2Fb"], [
        "coap://sensor.example/public",
        "coap://sensor.example/public/x?y",
        "coap://sensor.example/publicity",
        "coap://sensor.example/",
        "coap://sensor.example/public/../secret",
        "coap://sensor.example/x/../public",
        "coap://gate.example:9/a%2Fb/c",
        "coap://gate.example:9/a/b",
      ]),
      [
        "coap://sensor.example/public",
        "coap://sensor.example/public/x?y",
        "coap://sensor.example/x/../public",
        "coap://gate.example:9/a%2Fb/c",
      ],
    );
  });

  it("takes another scheme for itself, with its port", () => {
    assertEquals(
      judgeAll(["coap+tcp://a.example", "COAPS+WS://b.example/public"], [
        "coap+tcp://a.example:5683/x",
        "coap://a.example/x",
        "coaps+tcp://a.example/x",
        "coaps+ws://b.example/public/x",
        "coaps+ws://b.example:444/public/x",
        "coap+ws://b.example:443/public/x",
      ]),
      ["coap+tcp://a.example:5683/x", "coaps+ws://b.example/public/x"],
    );
  });

  it("throws where an entry is none", () => {
    for (
      const entry of [
        "",
        "http://a/",
        "a://b://c",
        "://a",
        "a b",
        "a:0",
        "a:x",
        "a?b",
        "coap://a/#b",
      ]
    ) {
      const error = assertThrows(() => makeJudge([entry], false), CoAPError);
      assertEquals([error.reason, error.message.includes(`"${entry}"`)], ["invalid-uri", true]);
    }
  });

  it("asks a function, which opens public addresses, and others if it may", async () => {
    const seen: ProxyTarget[] = [];
    const rule = (target: ProxyTarget): boolean => {
      seen.push(target);
      return target.host === "a.example";
    };
    const target = decomposeUri("coap://A.example:5700/x%2Fy/z?q=1&r");
    assertEquals(makeJudge(rule, false)(target, REQUEST), "public");
    assertEquals(makeJudge(rule, true)(target, REQUEST), "anywhere");
    assertEquals(makeJudge(rule, true)(decomposeUri("coap://b.example"), REQUEST), "refused");
    assertEquals(seen[0], {
      uri: "coap://a.example:5700/x%2Fy/z?q=1&r",
      host: "a.example",
      port: 5700,
      path: ["x/y", "z"],
      query: ["q=1", "r"],
    });
    const later = makeJudge((asked) => Promise.resolve(rule(asked)), false);
    assertEquals(await later(target, REQUEST), "public");
    const truthy = makeJudge((() => "yes") as unknown as () => boolean, true);
    assertEquals(truthy(target, REQUEST), "refused");
  });
});

describe("resolveWithin", () => {
  const found = ["127.0.0.1", "192.0.2.1", "::1", "224.0.1.187", "2001:db8::1", "ff02::fd"];

  it("leaves out groups, and what is not public where that is not wanted", async () => {
    const asked: unknown[] = [];
    const resolve = (name: string, family?: 4 | 6): Promise<string[]> => {
      asked.push([name, family]);
      return Promise.resolve(found);
    };
    assertEquals(await resolveWithin(resolve, false)("a", 4), ["192.0.2.1", "2001:db8::1"]);
    const all = ["127.0.0.1", "192.0.2.1", "::1", "2001:db8::1"];
    assertEquals(await resolveWithin(resolve, true)("b"), all);
    assertEquals(asked, [["a", 4], ["b", undefined]]);
  });
});

describe("reachOf", () => {
  it("tells public addresses from local ones and from groups", () => {
    const addresses = {
      public: [
        "192.0.2.1",
        "9.255.255.255",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.0.1",
        "100.128.0.1",
        "223.255.255.254",
        "2001:db8::1",
        "::ffff:192.0.2.1",
        "fc0:1::2",
      ],
      local: [
        "10.0.0.1",
        "127.0.0.1",
        "127.255.0.9",
        "169.254.1.1",
        "172.16.0.1",
        "172.31.255.1",
        "192.168.7.7",
        "100.64.0.1",
        "100.127.0.1",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "fe80::1%eth0",
        "febf::1",
        "fec0::1",
        "fc00::1",
        "fd12:3456::1",
        "64:ff9b::7f00:1",
      ],
      none: ["0.0.0.0", "0.1.2.3", "224.0.1.187", "255.255.255.255", "::", "ff02::fd", "ff05::1%2"],
    };
    for (const [reach, list] of Object.entries(addresses)) {
      for (const address of list) assertEquals([address, reachOf(address)], [address, reach]);
    }
  });
});
