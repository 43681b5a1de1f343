/** Pages of which origins may use a gateway: the Fetch standard, section 3.3. @module */

import { Refusal } from "./http_refusal.ts";

/** Fields that scripts do not see without being told. */
const EXPOSED = "etag, location, retry-after";

/** How long browsers may go without asking again, seconds. */
const PREFLIGHT_AGE = "600";

/** Lets pages of other origins in, or keeps them out. */
export class Origins {
  readonly #origins: ReadonlySet<string>;
  readonly #methods: string;

  /** @throws {TypeError} where an origin is none */
  constructor(origins: Iterable<string>, methods: readonly string[]) {
    this.#origins = new Set(origins);
    this.#methods = methods.join(", ");
    for (const origin of this.#origins) {
      if (origin === "*" || URL.canParse(origin) && new URL(origin).origin === origin) continue;
      throw new TypeError(`Origin must be like "https://a.example", or "*": it is "${origin}"`);
    }
  }

  /**
   * The origin of a request where it is another one that is let in.
   *
   * @param changes whether the request may change something
   * @throws {Refusal} 403 where it does and comes from the page of a stranger
   */
  check(request: Request, url: URL, changes: boolean): string | undefined {
    const origin = request.headers.get("origin");
    if (origin === null) return undefined;
    if (this.#origins.has("*") || this.#origins.has(origin)) return origin;
    // Behind a front-end that does TLS the scheme differs.
    if (!changes || URL.canParse(origin) && new URL(origin).host === url.host) return undefined;
    throw new Refusal(403, "Pages of another origin may not do this");
  }

  /** The answer to a preflight request, or undefined where the request is none. */
  preflight(request: Request, origin: string | undefined): Response | undefined {
    const { headers } = request;
    if (origin === undefined || headers.get("access-control-request-method") === null) {
      return undefined;
    }
    const response = new Response(null, {
      status: 204,
      headers: {
        "access-control-allow-methods": this.#methods,
        "access-control-allow-headers":
          "accept, cache-control, content-encoding, content-type, if-match, if-none-match",
        "access-control-max-age": PREFLIGHT_AGE,
      },
    });
    return this.mark(response, origin);
  }

  /** Lets a page see a response. */
  mark(response: Response, origin: string | undefined): Response {
    const { headers } = response;
    if (this.#origins.size > 0) headers.append("vary", "origin");
    if (origin === undefined) return response;
    headers.set("access-control-allow-origin", origin);
    headers.set("access-control-expose-headers", EXPOSED);
    return response;
  }
}
