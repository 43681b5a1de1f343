import { afterEach, describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { readFileSync } from "node:fs";
import { hasIpv6 } from "../../testing/runtime.ts";
import { inWords, listen, text } from "../../testing/simulated_components.ts";
import { failure } from "../../testing/simulated_endpoints.ts";
import { udpFeatures } from "../endpoint/features.ts";
import { VERSION } from "./build_info.ts";
import { CoAP } from "./coap.ts";
import { Settings } from "./settings.ts";

const { connects, setsBufferSizes } = udpFeatures();

/** Defaults of all settings. */
const DEFAULTS: Record<string, string> = {
  AbsoluteTimeout: "False",
  CaptureIPPacketInfo: "False",
  CodePage: "65001",
  DelayHostResolution: "False",
  DestinationAddress: "",
  DontFragment: "False",
  FirewallData: "",
  InBufferSize: "0",
  LocalHost: "",
  LocalPort: "0",
  LogLevel: "1",
  MaskSensitive: "True",
  MaxPacketSize: "65535",
  OutBufferSize: "0",
  QOSDSCPValue: "0",
  QOSTrafficType: "0",
  ShareLocalPort: "False",
  UseConnection: "False",
  UseInternalSecurityAPI: "False",
  UseIPv6: "False",
};

/** Values that this platform can not do. */
const REFUSED: [string, ...string[]][] = [
  ["AbsoluteTimeout", "True"],
  ["BuildInfo", "x"],
  ["CaptureIPPacketInfo", "True", "1"],
  ["CodePage", "65000", "37", "0", "x", ""],
  ["DelayHostResolution", "yes"],
  ["DestinationAddress", "127.0.0.1"],
  ["DontFragment", "True"],
  ["FirewallData", "x"],
  ["InBufferSize", "-1", "x", "2147483648"],
  ["LicenseInfo", "x"],
  ["LocalPort", "65536", "-1", "x", ""],
  ["LogLevel", "4", "-1", "x"],
  ["MaskSensitive", "False"],
  ["MaxPacketSize", "15", "65536", "x"],
  ["OutBufferSize", "-1", "1.5"],
  ["QOSDSCPValue", "46"],
  ["QOSTrafficType", "1", "Voice"],
  ["ShareLocalPort", "2", "x", ""],
  ["UseConnection", "maybe"],
  ["UseInternalSecurityAPI", "True"],
  ["UseIPv6", "6"],
];

describe("the settings of CoAP", () => {
  const open: CoAP[] = [];
  const make = (): CoAP => {
    const coap = new CoAP();
    open.push(coap);
    return coap;
  };
  afterEach(async () => {
    await Promise.all(open.splice(0).map((coap) => coap.shutdown()));
  });

  it("are those and no others", () => {
    const host = { socket: () => undefined, isOpen: () => false, ownTransport: false };
    const names = [...Object.keys(DEFAULTS), "BuildInfo", "LicenseInfo"];
    assertEquals(new Settings(host).names.sort(), names.sort());
    const refusing = REFUSED.map(([name]) => name).sort();
    assertEquals(refusing, names.filter((name) => name !== "LocalHost")); // that takes any name
  });

  for (const [name, value] of Object.entries(DEFAULTS)) {
    it(`${name} is ${value === "" ? "empty" : value}, and can be set to that`, async () => {
      const coap = make();
      for (const given of [name, name.toLowerCase(), name.toUpperCase(), ` ${name} `]) {
        assertEquals(await coap.config(given), value);
      }
      assertEquals(await coap.config(`${name}=${value}`), "");
      assertEquals(await coap.config(name), value);
    });
  }

  for (const [name, ...values] of REFUSED) {
    it(`${name} refuses ${values.map((value) => `"${value}"`).join(", ")}`, async () => {
      const coap = make();
      const before = await coap.config(name);
      for (const value of values) {
        await assertRejects(() => coap.config(`${name}=${value}`), RangeError, `"${value}"`);
      }
      assertEquals(await coap.config(name), before);
    });
  }

  it("booleans may be written in several ways", async () => {
    const coap = make();
    for (const [given, read] of [["yes", "True"], ["0", "False"], ["1", "True"], ["NO", "False"]]) {
      await coap.config(`ShareLocalPort=${given}`);
      assertEquals(await coap.config("ShareLocalPort"), read);
    }
    await coap.config("shareLOCALport = TRUE ");
    assertEquals(await coap.config("ShareLocalPort"), "True");
    await coap.config("MaskSensitive=yes");
    await coap.config("QOSTrafficType=besteffort");
  });

  it("an unknown name is an error", async () => {
    await assertRejects(() => make().config("Nonsense"), RangeError, '"Nonsense"');
    await assertRejects(() => make().config("Nonsense=1"), RangeError, '"Nonsense"');
    for (const text of ["", "=", "=1"]) await assertRejects(() => make().config(text), RangeError);
    for (const text of [undefined, null, 5]) {
      await assertRejects(() => make().config(text as unknown as string), TypeError, `"${text}"`);
    }
  });

  it("LocalHost and LocalPort are the properties", async () => {
    const coap = make();
    await coap.config("LocalHost=127.0.0.1");
    await coap.config("LocalPort=1234");
    assertEquals([coap.localHost, coap.localPort], ["127.0.0.1", 1234]);
    coap.localPort = 0;
    await coap.startListening();
    assertEquals(await coap.config("LocalPort"), String(coap.localPort));
    assert(coap.localPort > 0);
  });

  it("BuildInfo names the version and the runtime, LicenseInfo the licence", async () => {
    const manifest = JSON.parse(readFileSync(new URL("../../deno.json", import.meta.url), "utf8"));
    assertEquals(VERSION, manifest.version);
    const runtime = "Deno" in globalThis ? "Deno" : "Bun" in globalThis ? "Bun" : "Node";
    assertMatch(await make().config("BuildInfo"), new RegExp(`${VERSION} \\(${runtime} \\d`));
    assertMatch(await make().config("LicenseInfo"), new RegExp(manifest.license));
  });

  it("LogLevel and CodePage take all they know", async () => {
    const coap = make();
    for (const level of ["0", "1", "2", "3"]) {
      await coap.config(`LogLevel=${level}`);
      assertEquals(await coap.config("LogLevel"), level);
    }
    for (const page of ["1252", "932", "65001"]) {
      await coap.config(`CodePage=${page}`);
      assertEquals(await coap.config("CodePage"), page);
    }
    await coap.config("CodePage=932");
    let error: unknown;
    try {
      coap.requestData = "日";
    } catch (caught) {
      error = caught;
    }
    assertMatch(String(error), /only decodes/);
  });

  /** A server at a loopback address, and its URI. */
  async function server(...settings: string[]): Promise<{ coap: CoAP; uri: string }> {
    const coap = make();
    coap.localHost = "127.0.0.1";
    for (const setting of settings) await coap.config(setting);
    coap.on("Request", () => {
      coap.responseCode = "2.05";
      coap.responseData = coap.requestData;
    });
    await coap.startListening();
    const { localHost: host, localPort: port } = coap;
    return { coap, uri: `coap://${host.includes(":") ? `[${host}]` : host}:${port}/` };
  }

  it("ShareLocalPort lets two have the same port", async () => {
    const { coap } = await server("ShareLocalPort=True");
    const other = make();
    other.localHost = "127.0.0.1";
    other.localPort = coap.localPort;
    const refused = await failure(other.startListening());
    assertEquals([refused.code, refused.reason], [0, "transport"]);
    await other.config("ShareLocalPort=True");
    await other.startListening();
    assertEquals(other.localPort, coap.localPort);
  });

  const noIpv6 = hasIpv6() ? false : "this machine has no IPv6 loopback address";
  it("UseIPv6 makes it an IPv6 socket", { skip: noIpv6 }, async () => {
    const { uri } = await server("UseIPv6=True", "LocalHost=::1");
    const client = make();
    assertEquals((await failure(client.get(uri))).code, 0);
    await client.config("UseIPv6=True");
    client.requestData = "six";
    await client.post(uri);
    assertEquals([text(client.responseData), client.localHost], ["six", "::"]);
  });

  const noConnect = connects ? false : "this runtime can not connect UDP sockets";
  it("UseConnection: a socket for its peer alone, and 705", { skip: noConnect }, async () => {
    const { coap, uri } = await server();
    const client = make();
    await client.config("UseConnection=True");
    assertEquals(await client.config("UseConnection"), "True");
    client.requestData = "connected";
    await client.post(uri);
    assertEquals(text(client.responseData), "connected");
    await coap.shutdown();
    const told = listen(client, ["RequestComplete"]);
    const error = await failure(client.get(uri));
    assertEquals([error.code, error.reason], [705, "refused"]);
    assertEquals(inWords(told), ["RequestComplete 2 705"]);
  });

  it("what the runtime's sockets do not offer is refused", async () => {
    const missing = [
      ...(connects ? [] : ["UseConnection=True"]),
      ...(setsBufferSizes ? [] : ["InBufferSize=50000", "OutBufferSize=50000"]),
      "DontFragment=True",
    ];
    for (const setting of missing) {
      const [name] = setting.split("=") as [string];
      await assertRejects(() => make().config(setting), RangeError, name);
      assertEquals(await make().config(name), DEFAULTS[name]);
    }
  });

  const noBuffers = setsBufferSizes ? false : "this runtime sets no buffer sizes";
  it("buffer sizes read back as they are in force", { skip: noBuffers }, async () => {
    const { coap } = await server("InBufferSize=50000", "OutBufferSize=1");
    assertEquals(await coap.config("InBufferSize"), "50000");
    const least = Number(await coap.config("OutBufferSize"));
    assert(least > 1, "The system has accepted a buffer of one byte");
    await coap.shutdown();
    assertEquals(await coap.config("OutBufferSize"), "1");
  });

  it("MaxPacketSize bounds blocks as well, so that bodies still come", async () => {
    for (const size of [300, 1024, 1500]) {
      const { coap, uri } = await server();
      const client = make();
      await client.config(`MaxPacketSize=${size}`);
      client.requestData = new Uint8Array(5000).fill(7);
      await client.put(uri);
      assertEquals(client.responseData, client.requestData);
      coap.once("Register", (e) => {
        e.accept = true;
        coap.responseCode = "2.05";
        coap.responseData = client.requestData;
      });
      await client.startObserving(uri);
      assertEquals(client.responseData, client.requestData);
    }
  });
});
