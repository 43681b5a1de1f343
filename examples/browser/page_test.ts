import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { CoAPClient, Code } from "@x/coap";
import { Chromium, chromiumMissing } from "../../testing/chromium.ts";
import { Program } from "../../testing/programs.ts";
import { noUpgrades } from "../../testing/web_socket_server.ts";

const skip = chromiumMissing || (await noUpgrades() ?? false);

describe("examples/browser", { skip }, () => {
  let program: Program;
  let browser: Chromium;
  let client: CoAPClient;
  let uri: string;
  const text = (id: string): Promise<unknown> =>
    browser.evaluate(`document.getElementById("${id}").textContent`);
  const state = `document.getElementById("status").dataset.state`;

  before(async () => {
    program = new Program("examples/browser/server.ts", "0");
    const origin = await program.prints(/^http:\/\/127\.0\.0\.1:\d+$/m);
    uri = `coap+ws://${new URL(origin).host}/temperature`;
    client = new CoAPClient();
    browser = await Chromium.start();
    await browser.open(origin);
  });
  after(async () => {
    await browser?.close();
    await client?.close();
    await program?.close();
  });

  it("observes over coap+ws and shows each state", async () => {
    await browser.until(`${state} === "live" && parseInt(count.textContent) >= 3`);
    assertMatch(String(await text("value")), /^\d+\.\d$/);
    assertMatch(String(await browser.evaluate("document.title")), /^\d+\.\d °C$/);
    assertEquals(await browser.evaluate("uri.value"), uri);
  });

  it("shows what another client has changed", async () => {
    const response = await client.put(uri, { payload: "99.5", timeout: 10_000 });
    assertEquals(response.code, Code.Changed);
    await browser.until("Number(highest.textContent) >= 99.5 && Number(value.value) > 90");
    assert(Number(await text("lowest")) < 90);
    assert(Number(await text("mean")) < 99.5);
  });

  it("draws a line through them, and tells the value under the pointer", async () => {
    const line = `document.querySelector("#chart .line").getAttribute("d")`;
    await browser.until(`${line}.split("L").length >= 4`);
    const drawn = await browser.evaluate(`${line}.split("L").length`);
    await browser.until(`${line}.split("L").length > ${drawn}`);
    await browser.send("Input.dispatchMouseEvent", {
      type: "mouseMoved",
      ...await browser.evaluate(`(() => {
        const { left, top, width, height } = chart.getBoundingClientRect();
        return { x: left + width - 60, y: top + height / 2 };
      })()`) as { x: number; y: number },
    });
    await browser.until(`document.querySelector("#chart .tip")?.textContent.includes("°C")`);
    const inside = await browser.evaluate(
      `[...chart.querySelectorAll("text, rect")].every((one) => {
      const { left, right, top, bottom } = one.getBoundingClientRect();
      const box = chart.getBoundingClientRect();
      return left >= box.left && right <= box.right && top >= box.top && bottom <= box.bottom;
    })`,
    );
    assertEquals(inside, true);
  });

  it("fits in narrow windows as well", async () => {
    const metrics = { width: 360, height: 700, deviceScaleFactor: 1, mobile: true };
    await browser.send("Emulation.setDeviceMetricsOverride", metrics);
    await browser.until("chart.getBoundingClientRect().width < 360");
    await browser.until(`[...chart.querySelectorAll(".tick")].every((one, index, all) => {
      const a = one.getBoundingClientRect();
      return all.slice(index + 1).map((other) => other.getBoundingClientRect()).every((b) =>
        a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top);
    })`);
    assertEquals(await browser.evaluate("document.documentElement.scrollWidth"), 360);
    await browser.send("Emulation.clearDeviceMetricsOverride");
  });

  it("leaves one resource for another, and says what is wrong with that", async () => {
    await browser.evaluate(
      `(uri.value = uri.value.replace("temperature", "nothing"), form.requestSubmit())`,
    );
    await browser.until(`${state} === "over"`);
    assertMatch(String(await text("status")), /^4\.04/);
    await browser.evaluate(`(uri.value = "${uri}", form.requestSubmit())`);
    await browser.until(`${state} === "live" && parseInt(count.textContent) >= 1`);
  });

  it("says so where the server is gone, and goes on when it is there again", async () => {
    const origin = await program.prints(/^http:.*$/m);
    await program.close();
    await browser.until(`${state} !== "live"`);
    program = new Program("examples/browser/server.ts", new URL(origin).port);
    await browser.until(`${state} === "live"`);
    assertEquals(browser.complaints.filter((one) => !/WebSocket|ERR_CONNECTION/.test(one)), []);
  });
});
