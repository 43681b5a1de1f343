/** A headless Chromium that a test drives by the DevTools protocol. @module */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { inPath } from "../scripts/runtimes.mjs";

const PROGRAM = ["chromium", "chromium-browser", "google-chrome"].map((name) => inPath(name))
  .find((path) => path !== undefined);

const required = process.env.COAP_REQUIRE_PEERS === "1" && process.platform === "linux";

/** Why tests with a browser are skipped, or false. */
export const chromiumMissing: string | false = PROGRAM === undefined && !required
  ? "chromium is not in PATH"
  : false;

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--remote-debugging-port=0",
];

/** How long anything may take, ms. */
const PATIENCE = 30_000;

interface Answer {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

interface Target {
  type: string;
  webSocketDebuggerUrl: string;
}

/** A browser with one page. */
export class Chromium {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  /** What the page has said: exceptions, errors and warnings. */
  readonly complaints: string[] = [];
  /** Pages that are loaded, by what loaded them. */
  readonly #loaded = new Set<unknown>();
  #onLoaded = (): void => {};
  #socket!: WebSocket;
  #id = 0;

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child;
    this.#folder = folder;
  }

  /** Starts one. */
  static async start(width = 1000, height = 760): Promise<Chromium> {
    const folder = mkdtempSync(join(tmpdir(), "coap-chromium-"));
    const args = [...FLAGS, `--user-data-dir=${folder}`, `--window-size=${width},${height}`];
    const child = spawn(PROGRAM!, [...args, "about:blank"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const browser = new Chromium(child, folder);
    try {
      const port = await browser.#port();
      const list = await (await fetch(`http://127.0.0.1:${port}/json/list`)).json() as Target[];
      await browser.#connect(list.find(({ type }) => type === "page")!.webSocketDebuggerUrl);
      for (const domain of ["Page", "Runtime", "Log"]) await browser.send(`${domain}.enable`);
      await browser.send("Page.setLifecycleEventsEnabled", { enabled: true });
    } catch (error) {
      await browser.close();
      throw error;
    }
    return browser;
  }

  /** Sends a command and gives its result. */
  send(method: string, params: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`No answer to ${method}`)), PATIENCE);
      this.#waiting.set(id, ({ result, error }) => {
        clearTimeout(timer);
        if (error === undefined) resolve(result!);
        else reject(new Error(`${method}: ${error.message}`));
      });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  /** Opens a page and waits until it is loaded: what is evaluated before may be lost with the page that was there. */
  async open(url: string): Promise<void> {
    const { loaderId, errorText } = await this.send("Page.navigate", { url });
    if (errorText !== undefined) throw new Error(`${url}: ${errorText}`);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${url} has not loaded`)), PATIENCE);
      this.#onLoaded = () => {
        if (!this.#loaded.has(loaderId)) return;
        clearTimeout(timer);
        resolve();
      };
      this.#onLoaded();
    });
  }

  /** The value of an expression in the page. */
  async evaluate(expression: string): Promise<unknown> {
    const answer = await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    const thrown = answer.exceptionDetails as { exception?: { description?: string } } | undefined;
    if (thrown !== undefined) throw new Error(thrown.exception?.description ?? expression);
    return (answer.result as { value?: unknown }).value;
  }

  /** Waits until an expression in the page is true: the page looks at each of its frames. */
  async until(expression: string): Promise<void> {
    const holds = await this.evaluate(`new Promise((resolve) => {
      const end = performance.now() + ${PATIENCE - 5000};
      const look = () => {
        let holds = false;
        try { holds = Boolean(${expression}); } catch {}
        if (holds || performance.now() > end) resolve(holds);
        else setTimeout(look, 20);
      };
      look();
    })`);
    if (holds === true) return;
    const text = await this.evaluate("document.body.innerText");
    throw new Error(
      `It never was: ${expression}\n${text}\n${this.complaints.join("\n")}`,
    );
  }

  /** A picture of the page as PNG. */
  async picture(): Promise<Uint8Array> {
    const { data } = await this.send("Page.captureScreenshot", { format: "png" });
    return Uint8Array.from(atob(data as string), (character) => character.charCodeAt(0));
  }

  /** Ends it by its process, and removes its files. */
  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("close", resolve));
    const running = this.#child.exitCode === null && this.#child.signalCode === null;
    if (this.#child.kill("SIGKILL") && running) await ended;
    this.#socket?.close();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** The port that it has chosen. */
  #port(): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = "";
      const fail = (why: string): void => reject(new Error(`${why}:\n${text}`));
      const timer = setTimeout(() => fail("Chromium has not started"), PATIENCE);
      this.#child.once("error", (error) => fail(String(error)));
      this.#child.once("close", () => (clearTimeout(timer), fail("Chromium has ended")));
      this.#child.stderr!.setEncoding("utf8").on("data", (more: string) => {
        text = (text + more).slice(-10_000);
        const port = /DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)\//.exec(text)?.[1];
        if (port === undefined) return;
        clearTimeout(timer);
        resolve(port);
      });
    });
  }

  #connect(url: string): Promise<void> {
    this.#socket = new WebSocket(url);
    this.#socket.onmessage = ({ data }) => this.#take(JSON.parse(String(data)) as Answer);
    return new Promise((resolve, reject) => {
      this.#socket.onopen = () => resolve();
      this.#socket.onerror = () => reject(new Error(`No DevTools at ${url}`));
    });
  }

  #take(answer: Answer): void {
    if (answer.id !== undefined) {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    } else if (answer.method === "Page.lifecycleEvent") {
      if (answer.params!.name !== "load") return;
      this.#loaded.add(answer.params!.loaderId);
      this.#onLoaded();
    } else if (answer.method === "Runtime.exceptionThrown") {
      this.complaints.push(JSON.stringify(answer.params));
    } else if (answer.method === "Log.entryAdded") {
      const { level, text, url } = answer.params!.entry as Record<string, string>;
      if (level === "error" || level === "warning") this.complaints.push(`${text} ${url ?? ""}`);
    }
  }
}
