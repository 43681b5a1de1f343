/** A reader of Server-Sent Events. @module */

/** What an `EventSource` does, as far as it is needed here. */
export class EventReader {
  readonly #controller = new AbortController();
  readonly #decoder = new TextDecoder();
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined = undefined;
  #text = "";

  async open(url: string): Promise<Response> {
    const { signal } = this.#controller;
    const response = await fetch(url, { headers: { accept: "text/event-stream" }, signal });
    this.#reader = response.body!.getReader();
    return response;
  }

  /** The data of the next event. */
  async next(): Promise<string> {
    while (true) {
      const end = this.#text.indexOf("\n\n");
      if (end < 0) {
        const { value, done } = await this.#reader!.read();
        if (done) throw new Error("The stream has ended");
        this.#text += this.#decoder.decode(value, { stream: true });
        continue;
      }
      const lines = this.#text.slice(0, end).split("\n");
      this.#text = this.#text.slice(end + 2);
      const data = lines.filter((line) => line.startsWith("data: "));
      if (data.length > 0) return data.map((line) => line.slice(6)).join("\n");
    }
  }

  close(): void {
    this.#controller.abort();
  }
}
