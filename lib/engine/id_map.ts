/** A map by numbers, whose entries come and go with each message. @module */

const SMALLEST = 4;

/**
 * Where a key belongs: the highest bits of a product. Keys that follow each other are far apart, so that those which stay
 * make no runs.
 */
export function placeOf(key: number, shift: number): number {
  return Math.imul(key, 0x9e3779b1) >>> shift;
}

/**
 * What a `Map` does, for keys that we count up or draw ourselves. V8's `Map` makes a new table every so many entries, the
 * old one refers to it, and once an old one has survived two collections all that were ever in one of the later tables
 * survive with it: measured, that took a third of a client's time. Peers must not choose the keys: many that belong to
 * one place would make searches long.
 */
export class IdMap<V extends object> {
  #keys: number[] = [];
  #values: (V | undefined)[] = [];
  /** The capacity, a power of two, - 1; at least half of the places are empty. */
  #mask = -1;
  /** 32 less the bits of a place. */
  #shift = 32;
  size = 0;

  get(key: number): V | undefined {
    if (this.size === 0) return undefined;
    return this.#values[this.#find(key)];
  }

  set(key: number, value: V): void {
    if (this.size * 2 > this.#mask) this.#resize(Math.max(SMALLEST, (this.#mask + 1) * 2));
    const place = this.#find(key);
    if (this.#values[place] === undefined) this.size++;
    this.#keys[place] = key;
    this.#values[place] = value;
  }

  /** Answers whether it was there. */
  delete(key: number): boolean {
    if (this.size === 0) return false;
    let place = this.#find(key);
    if (this.#values[place] === undefined) return false;
    // What had to go past this place moves up.
    const mask = this.#mask;
    for (let next = place + 1 & mask; this.#values[next] !== undefined; next = next + 1 & mask) {
      const away = next - placeOf(this.#keys[next]!, this.#shift) & mask;
      if (away < (next - place & mask)) continue;
      this.#keys[place] = this.#keys[next]!;
      this.#values[place] = this.#values[next];
      place = next;
    }
    this.#values[place] = undefined;
    this.size--;
    if (this.size * 16 < mask && mask > 16 * SMALLEST) this.#resize((mask + 1) / 4);
    return true;
  }

  /** Whether the test holds for all. */
  every(test: (value: V) => boolean): boolean {
    return this.#values.every((value) => value === undefined || test(value));
  }

  /** All of them, in the order of their keys. */
  entries(): [number, V][] {
    const entries: [number, V][] = [];
    this.#values.forEach((value, place) => {
      if (value !== undefined) entries.push([this.#keys[place]!, value]);
    });
    return entries.sort(([a], [b]) => a - b);
  }

  /** All of them, in the order of their keys. */
  values(): V[] {
    return this.entries().map(([, value]) => value);
  }

  /** The place of a key, or the empty one where it belongs. */
  #find(key: number): number {
    const mask = this.#mask;
    let place = placeOf(key, this.#shift);
    while (this.#values[place] !== undefined && this.#keys[place] !== key) place = place + 1 & mask;
    return place;
  }

  #resize(capacity: number): void {
    const entries = this.entries();
    this.#keys = new Array<number>(capacity).fill(0);
    this.#values = new Array<V | undefined>(capacity).fill(undefined);
    this.#mask = capacity - 1;
    this.#shift = Math.clz32(this.#mask);
    this.size = 0;
    for (const [key, value] of entries) this.set(key, value);
  }
}
