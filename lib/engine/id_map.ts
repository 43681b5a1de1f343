/** A map by numbers that count up. @module */

const SMALLEST = 4;

/**
 * What a `Map` does, for keys that we count up or draw ourselves, where entries come and go with each message. V8's `Map`
 * makes a new table every so many of them, the old one refers to it, and once an old one has survived two collections all
 * that were ever in one of the later tables survive with it: measured, that took a third of a client's time. Peers must
 * not choose the keys, since those that are there are found by looking from place to place.
 */
export class IdMap<V extends object> {
  #keys: number[] = [];
  #values: (V | undefined)[] = [];
  /** The capacity, a power of two, - 1; at least half of the places are empty. */
  #mask = -1;
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
      const away = next - this.#keys[next]! & mask;
      if (away < (next - place & mask)) continue;
      this.#keys[place] = this.#keys[next]!;
      this.#values[place] = this.#values[next];
      place = next;
    }
    this.#values[place] = undefined;
    if (--this.size === 0 && mask >= 16 * SMALLEST) this.#resize(SMALLEST);
    return true;
  }

  /** All of them, by key. */
  entries(): [number, V][] {
    const entries: [number, V][] = [];
    this.#values.forEach((value, place) => {
      if (value !== undefined) entries.push([this.#keys[place]!, value]);
    });
    return entries.sort(([a], [b]) => a - b);
  }

  /** All of them, by key. */
  values(): V[] {
    return this.entries().map(([, value]) => value);
  }

  /** The place of a key, or the empty one where it belongs. */
  #find(key: number): number {
    const mask = this.#mask;
    let place = key & mask;
    while (this.#values[place] !== undefined && this.#keys[place] !== key) place = place + 1 & mask;
    return place;
  }

  #resize(capacity: number): void {
    const entries = this.entries();
    this.#keys = new Array<number>(capacity).fill(0);
    this.#values = new Array<V | undefined>(capacity).fill(undefined);
    this.#mask = capacity - 1;
    this.size = 0;
    for (const [key, value] of entries) this.set(key, value);
  }
}
