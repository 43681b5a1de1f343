/** The server that `npm start` shows. @module */

import { CoAPResponse, Code, Router } from "@x/coap";

/** Resources like those of libcoap's server, so that one session suits both. */
export function makeRouter(): Router {
  const made = new Map<string, string>();
  return new Router()
    .resource("/", { title: "General Info", ct: 0 }, {
      get: () => CoAPResponse.text("A CoAP server in TypeScript", { maxAge: 3600 }),
    })
    .resource("/async", { title: "Answers after ?n seconds", ct: 0 }, {
      get: async ({ query }) => {
        const seconds = Number(query[0] ?? 1);
        if (!(seconds >= 0 && seconds <= 10)) {
          return CoAPResponse.error(Code.BadRequest, "0 to 10 seconds");
        }
        await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
        return CoAPResponse.text("done");
      },
    })
    .resource("/sensors", { title: "Made by PUT", rt: "index", ct: 50 }, {
      get: () => CoAPResponse.json([...made.keys()]),
    })
    .get("/sensors/:name", ({ params: { name } }) => {
      const value = made.get(name);
      return value === undefined ? CoAPResponse.error(Code.NotFound) : CoAPResponse.text(value);
    })
    .put("/sensors/:name", (request) => {
      const { name } = request.params;
      const code = made.has(name) ? Code.Changed : Code.Created;
      if (code === Code.Created && made.size >= 100) return CoAPResponse.error(Code.Forbidden);
      made.set(name, request.text());
      return new CoAPResponse(undefined, { code });
    });
}
