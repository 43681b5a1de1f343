import { assertEquals } from "@std/assert";
import { after, before, describe, it } from "node:test";
import { type ChildResult, runChild, watchChild } from "../../testing/runtime.ts";
import { udpAdapters } from "../transport/udp_adapters.ts";

const CHILD = new URL("../../testing/endpoint_child.ts", import.meta.url);

for (const { name } of udpAdapters()) {
  describe(`a process over ${name}`, () => {
    let server: Promise<ChildResult>;
    before(() => {
      server = watchChild(CHILD, [name, "server"]);
    });
    after(() => server);

    const tasks: [task: string, output: string[]][] = [
      ["idle client", ["answered", "done"]],
      ["unused client", ["done"]],
      ["waiting client", ["done", "timeout"]],
      ["aborted client", ["done", "aborted"]],
      ["closed server", ["done", "closed"]],
      ["exceptions", ["5.00", "5.00", "5.00", "done"]],
    ];
    for (const [task, output] of tasks) {
      it(`ends: ${task}`, async () => {
        const result = await runChild(CHILD, [name, task], 20_000);
        assertEquals([result.code, ...result.output.trim().split("\n")], [0, ...output]);
      });
    }

    it("is kept alive by a server", async () => {
      const { code, output } = await server;
      assertEquals([code, output.trim()], [null, "done"]);
    });
  });
}
