import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { Recorder } from "../../testing/recorder.ts";
import { parseIpAddress } from "./ip_address.ts";
import { UdpTransport } from "./udp_socket.ts";

const LOOPBACK = parseIpAddress("127.0.0.1")!;

/** A socket that reads when the test says so. */
class Socket extends UdpTransport {
  protected readonly readsAtOnce: number = 32;
  /** What each datagram takes, ms. */
  work = 0;
  #now = 0;

  constructor(handler: Recorder) {
    super(LOOPBACK, 5683, handler);
  }

  send(): void {}
  flush(): void {}
  ref(): void {}
  unref(): void {}

  protected release(): Promise<void> {
    return Promise.resolve();
  }

  protected override now(): number {
    return this.#now;
  }

  /** Reads so many datagrams in a row. */
  read(count: number): void {
    for (let i = 0; i < count; i++) {
      this.#now += this.work;
      this.deliver("127.0.0.1", 5684, new Uint8Array(4));
    }
  }
}

/** What the handler has seen by the ends of the turns while so many are read, then when there is no more. */
async function turnsOf(socket: Socket, recorder: Recorder, count: number): Promise<number[]> {
  const before = recorder.received.length;
  const ends: number[] = [];
  const turn = recorder.turn.bind(recorder);
  recorder.turn = (more) => {
    turn(more);
    ends.push(recorder.received.length - before);
  };
  socket.read(count);
  const { turns } = recorder;
  await recorder.until("the last turn", () => recorder.turns > turns);
  recorder.turn = turn;
  return ends;
}

describe("a turn of a UDP socket", () => {
  it("ends early where little waits, and with the reading where that was as long as it can be", async () => {
    const recorder = new Recorder();
    const socket = new Socket(recorder);
    assertEquals(await turnsOf(socket, recorder, 3), [3]);
    assertEquals(await turnsOf(socket, recorder, 20), [8, 16, 20]);
    assertEquals(await turnsOf(socket, recorder, 32), [8, 16, 24, 32, 32]);
    assertEquals(recorder.more, true);
    assertEquals(await turnsOf(socket, recorder, 32), [32]);
    assertEquals(await turnsOf(socket, recorder, 130), [64, 128, 130]);
    assertEquals(await turnsOf(socket, recorder, 5), [5]);
    assertEquals(recorder.more, false);
    assertEquals(await turnsOf(socket, recorder, 9), [8, 9]);
  });

  it("is long after a while, since peers that are answered ask again", async () => {
    const recorder = new Recorder();
    const socket = new Socket(recorder);
    await turnsOf(socket, recorder, 1);
    socket.work = 0.1;
    assertEquals(await turnsOf(socket, recorder, 31), [8, 16, 31]);
    socket.work = 1;
    assertEquals(await turnsOf(socket, recorder, 30), [30]);
    socket.work = 0;
    assertEquals(await turnsOf(socket, recorder, 9), [8, 9]);
  });
});
