import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { CoAPError } from "../errors.ts";
import { decodeUint, type Option, optionName, OptionNumber } from "../wire/option.ts";
import { destinationOf, parseProxy, type ProxySettings } from "./via.ts";

const TEXT = new TextDecoder();

function inWords(options: readonly Option[]): string[] {
  return options.map(({ number, value }) =>
    `${optionName(number)}: ${
      number === OptionNumber.UriPort ? decodeUint(value) : TEXT.decode(value)
    }`
  );
}

function ask(uri: string | URL, proxy: string | URL | ProxySettings | false): unknown[] {
  const { host, port, options } = destinationOf(uri, parseProxy(proxy));
  return [host, port, ...inWords(options)];
}

function reasonOf(run: () => unknown): string {
  return assertThrows(run, CoAPError).reason;
}

describe("destinationOf", () => {
  it("sends Proxy-Uri alone, in normal form (7252-5.10-5)", () => {
    assertEquals(ask("coap://Sensor.example:5683/a%41/./b?c=d", "coap://proxy.example:7000"), [
      "proxy.example",
      7000,
      "Proxy-Uri: coap://sensor.example/aA/b?c=d",
    ]);
    assertEquals(ask(new URL("coap://[2001:db8::1]/"), new URL("coap://192.0.2.1")), [
      "192.0.2.1",
      5683,
      "Proxy-Uri: coap://[2001:db8::1]/",
    ]);
  });

  it("leaves targets of other schemes to the proxy", () => {
    assertEquals(ask("http://www.example/ä b?c", "coap://192.0.2.1"), [
      "192.0.2.1",
      5683,
      "Proxy-Uri: http://www.example/%C3%A4%20b?c",
    ]);
    assertEquals(ask("coap+tcp://a.example/", "coap://192.0.2.1").slice(2), [
      "Proxy-Uri: coap+tcp://a.example/",
    ]);
  });

  it("sends Proxy-Scheme and the Uri options", () => {
    const proxy = { uri: "coap://192.0.2.1:7000", split: true };
    assertEquals(ask("coap://sensor.example/a/b?c", proxy), [
      "192.0.2.1",
      7000,
      "Uri-Host: sensor.example",
      "Uri-Port: 5683",
      "Uri-Path: a",
      "Uri-Path: b",
      "Uri-Query: c",
      "Proxy-Scheme: coap",
    ]);
    assertEquals(ask("coap+tcp://[2001:db8::1]:7000/", proxy).slice(2), [
      "Uri-Host: [2001:db8::1]",
      "Uri-Port: 7000",
      "Proxy-Scheme: coap+tcp",
    ]);
  });

  it("leaves Uri-Port out where proxy, target and scheme agree on it, and never Uri-Host", () => {
    const proxy = { uri: "coap://192.0.2.1", split: true };
    assertEquals(ask("coap://192.0.2.1/", proxy).slice(2), [
      "Uri-Host: 192.0.2.1",
      "Proxy-Scheme: coap",
    ]);
    assertEquals(ask("coap://a.example:5684/", proxy).slice(2), [
      "Uri-Host: a.example",
      "Uri-Port: 5684",
      "Proxy-Scheme: coap",
    ]);
  });

  it("refuses secure targets over a way that is not, unless told otherwise (7252-5.7-11)", () => {
    for (const uri of ["coaps://a.example/", "HTTPS://a.example/", "coaps+tcp://a.example/"]) {
      assertEquals(reasonOf(() => ask(uri, "coap://192.0.2.1")), "unsupported-scheme");
      const proxy = { uri: "coap://192.0.2.1", allowInsecure: true };
      assertEquals(ask(uri, proxy).slice(2), [`Proxy-Uri: ${uri.toLowerCase()}`]);
    }
  });

  it("goes straight to the target without a proxy", () => {
    assertEquals(ask("coap://a.example/b", false), [
      "a.example",
      5683,
      "Uri-Host: a.example",
      "Uri-Path: b",
    ]);
    assertEquals(reasonOf(() => ask("coaps://a.example/", false)), "unsupported-scheme");
  });

  it("throws where the target is none", () => {
    for (
      const uri of [
        "/a",
        "coap://a.example/#b",
        "http://a.example/#b",
        "coap://",
        "http://",
        "a b:c",
      ]
    ) {
      assertEquals([uri, reasonOf(() => ask(uri, "coap://192.0.2.1"))], [uri, "invalid-uri"]);
    }
    const long = `coap://a.example/${"x".repeat(1020)}`;
    assertEquals(reasonOf(() => ask(long, "coap://192.0.2.1")), "invalid-uri");
    const split = { uri: "coap://192.0.2.1", split: true };
    assertEquals(reasonOf(() => ask("http://a.example/", split)), "invalid-uri");
  });
});

describe("parseProxy", () => {
  it("throws where the proxy is none that can be reached", () => {
    for (const uri of ["coap://a.example/b", "coap://a.example/?b", "a.example", "coap://a:0"]) {
      assertEquals([uri, reasonOf(() => parseProxy(uri))], [uri, "invalid-uri"]);
    }
    assertEquals(reasonOf(() => parseProxy("coaps://a.example")), "unsupported-scheme");
  });
});
