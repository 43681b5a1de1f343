/** The figures of RFC 7641 appendix A, each side against scripted other sides, and the order of notifications. */

import { assertEquals } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { figure, type FigureOptions, messageOf, play } from "../../testing/figures.ts";
import { type Lockstep, lockstep, settle } from "../../testing/lockstep.ts";
import { showMessage } from "../../testing/message_text.ts";
import { observeSequences, type SequenceMessage } from "../../testing/vectors.ts";
import { findOption, OptionNumber, uintOption } from "../wire/option.ts";
import { isNewer } from "./observation.ts";

function messagesOf(...ids: string[]): SequenceMessage[] {
  return ids.flatMap((id) => figure(observeSequences, id));
}

/** Content of a message of a figure, as the application sees it. */
function content(messages: readonly SequenceMessage[], index: number): string {
  return showMessage(messageOf(messages, index)).replace(/^\w+ /, "")
    .replace(/ 0x[0-9a-f]{4}/, "").replace(/ token \w+/, "");
}

/** The same without its Observe, as the application of a server gives it. */
function state(messages: readonly SequenceMessage[], index: number): string {
  return content(messages, index).replace(/ Observe:\d+/, "");
}

/** The server's own numbers, each newer than the one before. */
function withNumbers(): NonNullable<FigureOptions["choose"]> {
  const last = new Map<string, number>();
  return ({ options }, { options: actual, token }) =>
    options.map((option) => {
      const number = uintOption(actual, OptionNumber.Observe);
      if (option.number !== OptionNumber.Observe || number === undefined) return option;
      const before = last.get(`${token}`);
      if (before !== undefined) assertEquals(isNewer(before, 0, number, 1), true);
      last.set(`${token}`, number);
      return findOption(actual, OptionNumber.Observe)!;
    });
}

/** The observation of a client ends: it tells the server. */
function deregister({ app, peer }: Lockstep, token: string, rest: string): void {
  app.cancels();
  peer.receives(`CON GET $end token ${token} Observe:1 ${rest}`);
  peer.sends(`ACK 2.05 $end token ${token}`);
}

describe("RFC 7641 appendix A, the client", () => {
  afterEach(settle);

  it("figures 3 and 4: states arrive; a lost one is fetched after Max-Age (7641-3.1-1, 3.3-3)", () => {
    const messages = messagesOf("7641-A-3", "7641-A-4");
    const ladder = lockstep();
    const { app, after } = ladder;
    play({
      ladder,
      messages,
      role: "client",
      acts: {
        0: () => app.asks("CON GET /temperature", { observe: true }),
        2: () => {
          app.sees(content(messages, 1));
          after(7000);
        },
        3: () => app.sees(content(messages, 2)),
        // Stale after 15 s, registered again 5 to 15 s later.
        4: () => after(15_000 + 4999),
        5: () => {
          while (ladder.peer.unread.length === 0) after(1000);
        },
        7: () => app.sees(content(messages, 6)),
      },
      // Our choice is that of section 3.3.1: the same token as before.
      sameTokens: { b2: "4a" },
    });
    deregister(ladder, "$t4a", "/temperature");
  });

  it("figure 5: a stored state is confirmed by its ETag (7641-3.2-2)", () => {
    const messages = messagesOf("7641-A-5");
    const ladder = lockstep();
    const { app } = ladder;
    const request = messages.findIndex(({ from }) => from === "client");
    play({
      ladder,
      messages,
      role: "client",
      acts: {
        [request]: () => app.asks("CON GET ETag:0x78797a7a79 /temperature", { observe: true }),
        [request + 2]: () => app.sees(content(messages, request + 1)),
        [request + 3]: () => app.sees("2.03 ETag:0x78797a7a79 Observe:81 Max-Age:15"),
      },
    });
    // Deregistered with the same options but ETag (7641-3.6-2).
    deregister(ladder, "$tf9", "/temperature");
  });

  it("figure 6: our choice: says that it forgets, and rejects what comes all the same (7641-3.5-1, 3.6-1)", () => {
    const messages = messagesOf("7641-A-6");
    const ladder = lockstep();
    const { app, peer } = ladder;
    app.asks("CON GET /temperature", { observe: true });
    peer.receives("CON GET $m1 token $tf9 Observe:0 /temperature");
    peer.sends('ACK 2.05 $m1 token $tf9 Observe:81 "19.7 Cel"');
    app.sees('2.05 Observe:81 "19.7 Cel"');
    deregister(ladder, "$tf9", "/temperature");
    play({ ladder, messages: messages.slice(0, 2), role: "client" });
    ladder.silence();
  });

  it("figure 7: the client of a proxy", () => {
    const messages = messagesOf("7641-A-7");
    const ladder = lockstep();
    const asks = (): void => void ladder.app.asks("CON GET Proxy-Uri:coap://sensor.example/status");
    play({
      ladder,
      messages,
      role: "client",
      acts: {
        2: asks,
        4: () => ladder.app.gets(content(messages, 3)),
        5: asks,
        [messages.length]: () => ladder.app.gets(content(messages, 6)),
      },
    });
  });

  it("figure 8: the client observes through a proxy", () => {
    const messages = messagesOf("7641-A-8");
    const ladder = lockstep();
    const { app } = ladder;
    play({
      ladder,
      messages,
      role: "client",
      acts: {
        0: () => app.asks("CON GET Proxy-Uri:coap://sensor.example/status", { observe: true }),
        6: () => app.sees(content(messages, 4)),
        [messages.length]: () => app.sees(content(messages, 7)),
      },
    });
    deregister(ladder, "$t6a", "Proxy-Uri:coap://sensor.example/status");
  });
});

describe("RFC 7641 appendix A, the server", () => {
  afterEach(settle);

  const observe = "temperature";
  const NON = { confirmable: false };

  it("figures 3 and 4: Non-confirmable notifications; a second registration (7641-4.1-1, 4.1-3)", () => {
    const messages = messagesOf("7641-A-3", "7641-A-4");
    const ladder = lockstep({ serve: true });
    const { app, peer, after } = ladder;
    let lost: () => void = () => {};
    play({
      ladder,
      messages,
      role: "server",
      acts: {
        1: () => {
          app.serves("GET Observe:0 /temperature");
          app.answers(state(messages, 1), { observe });
        },
        2: () => {
          after(7000);
          assertEquals(app.notifies(observe, state(messages, 2), NON), 1);
        },
        3: () => {
          after(9000);
          assertEquals(app.notifies(observe, state(messages, 3), NON), 1);
        },
        6: () => {
          app.serves("GET Observe:0 /temperature");
          app.answers(state(messages, 6), { observe });
        },
        [messages.length]: () => {
          // A new token is another entry. The client resets what comes with the old one.
          after(9000);
          assertEquals(app.notifies(observe, '2.05 "20.1 Cel"', NON), 2);
          peer.receives('NON 2.05 $old token 4a Observe:_ "20.1 Cel"');
          peer.receives('NON 2.05 $new token b2 Observe:_ "20.1 Cel"');
          peer.sends("RST Empty $old");
          app.loses("reset");
          lost = () => assertEquals(app.notifies(observe, '2.05 "20.2 Cel"', NON), 1);
        },
      },
      choose: withNumbers(),
    });
    after(9000);
    lost();
    peer.receives('NON 2.05 $next token b2 Observe:_ "20.2 Cel"');
  });

  it("figure 5: 2.03 to the observer that has the state (7641-4.3-3)", () => {
    const messages = messagesOf("7641-A-5");
    const ladder = lockstep({ serve: true });
    const { app } = ladder;
    const request = messages.findIndex(({ from }) => from === "client");
    play({
      ladder,
      messages,
      role: "server",
      acts: {
        [request + 1]: () => {
          app.serves("GET ETag:0x78797a7a79 Observe:0 /temperature");
          app.answers(state(messages, request + 1), { observe });
        },
        [request + 2]: () => {
          const line = '2.05 ETag:0x78797a7a79 Max-Age:15 "19.7 Cel"';
          assertEquals(app.notifies(observe, line, NON), 1);
        },
      },
      choose: withNumbers(),
    });
  });

  it("figure 6: a Reset ends the observation (7641-4.5-2)", () => {
    const messages = messagesOf("7641-A-6");
    const ladder = lockstep({ serve: true });
    const { app, peer } = ladder;
    peer.sends("CON GET 0x1635 token f9 Observe:0 /temperature");
    app.serves("GET Observe:0 /temperature");
    app.answers('2.05 "20.0 Cel"', { observe });
    peer.receives('ACK 2.05 0x1635 token f9 Observe:_ "20.0 Cel"');
    play({
      ladder,
      messages,
      role: "server",
      acts: {
        0: () => assertEquals(app.notifies(observe, state(messages, 0)), 1),
        2: () => {
          app.loses("reset");
          assertEquals(app.notifies(observe, '2.05 "19.0 Cel"'), 0);
        },
      },
      choose: withNumbers(),
    });
    ladder.silence(93_000);
  });

  for (
    const [id, line, answer, next] of [
      ["7641-A-7", "GET Uri-Host:sensor.example Observe:0 /status", 1, 4],
      ["7641-A-8", "GET Uri-Host:sensor.example Observe:0 /status", 3, 6],
    ] as const
  ) {
    it(`figure ${id.slice(7)}: the server behind a proxy`, () => {
      const messages = messagesOf(id);
      const ladder = lockstep({ serve: true });
      const { app } = ladder;
      play({
        ladder,
        messages,
        role: "server",
        acts: {
          [answer]: () => {
            app.serves(line);
            app.answers(state(messages, answer), { observe: "status" });
          },
          [next]: () => assertEquals(app.notifies("status", state(messages, next), NON), 1),
        },
        choose: withNumbers(),
      });
    });
  }
});

describe("RFC 7641 appendix A, the proxy", () => {
  afterEach(settle);

  const server = { address: "192.0.2.7" };

  it("figure 7: keeps its cache up to date", () => {
    const messages = messagesOf("7641-A-7");
    const ladder = lockstep({ serve: true, proxy: true });
    const { app, peer, peerAt } = ladder;
    const origin = peerAt(5683, server);
    const answers = (index: number): void => {
      app.serves("GET Proxy-Uri:coap://sensor.example/status");
      app.answers(content(messages, index));
    };
    let id = 0;
    play({
      ladder,
      messages,
      role: "proxy",
      peers: { server: origin, client: peer },
      acts: {
        0: () => {
          id = app.asks("CON GET Uri-Host:sensor.example /status", { observe: true, to: origin });
        },
        2: () => app.sees(content(messages, 1), { id }),
        3: () => answers(3),
        5: () => app.sees(content(messages, 4), { id }),
        6: () => answers(6),
      },
    });
    app.cancels(id);
    origin.receives("CON GET $end token $t1a Uri-Host:sensor.example Observe:1 /status");
    origin.sends("RST Empty $end");
  });

  it("figure 8: hands on what it observes, with numbers of its own (7641-5-1)", () => {
    const messages = messagesOf("7641-A-8");
    const ladder = lockstep({ serve: true, proxy: true });
    const { app, peer, peerAt, after } = ladder;
    const origin = peerAt(5683, server);
    let id = 0;
    play({
      ladder,
      messages,
      role: "proxy",
      peers: { server: origin, client: peer },
      acts: {
        1: () => {
          app.serves("GET Observe:0 Proxy-Uri:coap://sensor.example/status");
          after(500);
        },
        2: () => {
          id = app.asks("CON GET Uri-Host:sensor.example /status", { observe: true, to: origin });
        },
        4: () => {
          app.sees(content(messages, 3), { id });
          app.answers(state(messages, 4), { observe: "status" });
        },
        7: () => {
          app.sees(content(messages, 6), { id });
          assertEquals(app.notifies("status", state(messages, 7), { confirmable: false }), 1);
        },
      },
      choose: (expected, actual) =>
        expected.code < 0x20 ? expected.options : withNumbers()(expected, actual),
    });
    app.cancels(id);
    origin.receives("CON GET $end token $taa Uri-Host:sensor.example Observe:1 /status");
    origin.sends("RST Empty $end");
  });
});

describe("the order of notifications (RFC 7641 section 3.4)", () => {
  afterEach(settle);

  it("as a function (7641-3.4-1)", () => {
    const { cases } = observeSequences.reordering;
    assertEquals(cases.length, 21);
    for (const { v1, v2, dt_seconds, newer } of cases) {
      for (const start of [0, 1e9]) {
        const text = `${v2} ${dt_seconds} s after ${v1}`;
        assertEquals(isNewer(v1, start, v2, start + dt_seconds * 1000), newer, text);
      }
    }
  });

  it("at the application, which gets late ones marked; all are acknowledged (7641-3.4-1, 2, 3)", () => {
    for (const { v1, v2, dt_seconds, newer } of observeSequences.reordering.cases) {
      const ladder = lockstep();
      const { app, peer, after } = ladder;
      app.asks("CON GET /v", { observe: true });
      peer.receives("CON GET $m token $t Observe:0 /v");
      peer.sends(`ACK 2.05 $m token $t Observe:${v1} Max-Age:4000`);
      app.sees(`2.05 Observe:${v1} Max-Age:4000`);
      after(dt_seconds * 1000);
      peer.sends(`CON 2.05 0x0001 token $t Observe:${v2} Max-Age:4000`);
      peer.receives("ACK Empty 0x0001");
      app.sees(`2.05 Observe:${v2} Max-Age:4000`, { latest: newer });
      deregister(ladder, "$t", "/v");
    }
  });
});
