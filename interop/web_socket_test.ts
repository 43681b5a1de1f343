/**
 * CoAP over WebSockets in all pairs: servers by `Deno.serve`, `Bun.serve` and Node's `http` with the package `ws`;
 * clients are the runtime of this test, and Chromium beside that on Node.
 *
 * Certificates of an authority of one's own are for the Web's `WebSocket` a matter of the process: of its variables on
 * the three runtimes. Chromium trusts what its system does; here it is told not to check at all.
 *
 * @module
 */

import { after, before, describe, it } from "node:test";
import type { Server } from "node:http";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assertEquals, assertRejects } from "@std/assert";
import { CoAPClient, CoAPError, Code } from "@x/coap";
import { serveFile } from "../examples/browser/files.ts";
import { createFetchServer } from "../examples/node_http.ts";
import { AUTHORITY } from "../testing/certificates.ts";
import { Chromium, chromiumMissing } from "../testing/chromium.ts";
import { commandOf, OWN_RUNTIME, Program, type RuntimeName } from "../testing/programs.ts";
import { exercise, type Report } from "../testing/web_socket_exercise.ts";
import { Folder } from "./suite.ts";

const CHILD = fileURLToPath(new URL("../testing/web_socket_child.ts", import.meta.url));
const NAMES: readonly RuntimeName[] = ["deno", "bun", "node"];
const SERVERS: Record<RuntimeName, string> = {
  deno: "Deno.serve",
  bun: "Bun.serve",
  node: "Node's http and ws",
};
/** What each runtime takes further authorities from. */
const AUTHORITIES: Record<RuntimeName, string> = {
  deno: "DENO_CERT",
  bun: "NODE_EXTRA_CA_CERTS",
  node: "NODE_EXTRA_CA_CERTS",
};

/** A server in a process of its runtime. */
class RemoteServer {
  readonly #program: Program;
  plain = "";
  secured = "";

  constructor(name: RuntimeName) {
    this.#program = new Program(commandOf(name)!, CHILD, "server");
  }

  async ready(): Promise<void> {
    const [plain, secured] = JSON.parse(await this.#program.prints(/^\[\d+,\d+\]$/m));
    this.plain = `coap+ws://127.0.0.1:${plain}`;
    this.secured = `coaps+ws://127.0.0.1:${secured}`;
  }

  close(): Promise<void> {
    return this.#program.close();
  }
}

function assertReport(report: Report, uri: string): void {
  const { protocol } = new URL(uri);
  assertEquals(report, {
    greeting: `${protocol.slice(0, -1)} ${uri}/greeting?x`,
    bodies: [100_000, 1_000_000],
    states: ["0", "1", "2", "3", "4"],
    observers: "0",
    ponged: true,
    canceled: "Not wanted any more",
    next: `${protocol.slice(0, -1)} ${uri}/greeting`,
    protocols: ["coap", "refused"],
  });
}

const servers = new Map<RuntimeName, RemoteServer>();
const missing = NAMES.filter((name) => commandOf(name) === undefined);
const skip = missing.length > 0 && process.env.COAP_REQUIRE_PEERS !== "1" &&
  `not installed: ${missing.join(", ")}`;

describe("WebSockets in all pairs", { skip }, () => {
  before(async () => {
    for (const name of NAMES) servers.set(name, new RemoteServer(name));
    for (const server of servers.values()) await server.ready();
  });
  after(async () => {
    for (const server of servers.values()) await server.close();
  });

  describe(`the client on ${OWN_RUNTIME}`, () => {
    for (const name of NAMES) {
      it(`with ${SERVERS[name]}`, async () => {
        const { plain } = servers.get(name)!;
        assertReport(await exercise({ CoAPClient, CoAPError, Code }, plain), plain);
      });
    }

    it("with each by TLS, where its process knows the authority", async () => {
      const folder = new Folder();
      const path = folder.write("authority.pem", new TextEncoder().encode(AUTHORITY));
      const command = commandOf(OWN_RUNTIME, { [AUTHORITIES[OWN_RUNTIME]]: path })!;
      const uris = NAMES.map((name) => servers.get(name)!.secured);
      const program = new Program(command, CHILD, "client", ...uris);
      try {
        const reports: Report[] = JSON.parse(await program.prints(/^\[\{.*\}\]$/m));
        for (const [i, report] of reports.entries()) assertReport(report, uris[i]!);
        assertEquals(reports.length, NAMES.length);
      } finally {
        await program.close();
        await folder.close();
      }
    });

    it("with none by TLS, where it does not", async () => {
      const client = new CoAPClient();
      for (const { secured } of servers.values()) {
        const error = await assertRejects(() => client.get(secured), CoAPError);
        assertEquals(error.reason, "transport");
      }
      await client.close();
    });
  });

  // Once is enough.
  if (OWN_RUNTIME === "node") {
    describe("the client in Chromium", { skip: chromiumMissing }, () => {
      let browser: Chromium;
      let files: Server;
      const exerciseInPage = async (uri: string): Promise<Report> =>
        await browser.evaluate(
          `import("/mod.ts").then((coap) => (${exercise})(coap, ${JSON.stringify(uri)}))`,
        ) as Report;

      before(async () => {
        files = createFetchServer(serveFile);
        await new Promise<void>((resolve) => files.listen(0, "127.0.0.1", resolve));
        const { port } = files.address() as { port: number };
        browser = await Chromium.start();
        await browser.open(`http://127.0.0.1:${port}/page.css`);
      });
      after(async () => {
        await browser?.close();
        files?.closeAllConnections();
        await new Promise((resolve) => files.close(resolve));
      });

      for (const name of NAMES) {
        it(`with ${SERVERS[name]}`, async () => {
          const { plain, secured } = servers.get(name)!;
          assertReport(await exerciseInPage(plain), plain);
          await browser.send("Security.setIgnoreCertificateErrors", { ignore: true });
          assertReport(await exerciseInPage(secured), secured);
          await browser.send("Security.setIgnoreCertificateErrors", { ignore: false });
        });
      }
    });
  }
});
