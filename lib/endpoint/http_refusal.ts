/** What a gateway answers by itself. @module */

/** A request that ends with an HTTP response of the gateway's own. */
export class Refusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  /** @param message for the client; it never holds what others have said */
  constructor(status: number, message: string, headers: Record<string, string> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}
