/** A map that mostly has one entry, or none. @module */

/**
 * Keys and values as in a `Map`, but the first entry stands in the object itself: an entry that comes and goes with
 * each message costs neither a search nor, now and then, a new table. What the object holds stands first, whenever it came.
 */
export class SmallMap<K, V extends object> {
  #key: K | undefined = undefined;
  #value: V | undefined = undefined;
  #others: Map<K, V> | undefined = undefined;
  size = 0;

  get(key: K): V | undefined {
    if (this.size === 0) return undefined;
    return this.#key === key && this.#value !== undefined ? this.#value : this.#others?.get(key);
  }

  set(key: K, value: V): void {
    const known = this.get(key) !== undefined;
    if (!known) this.size++;
    if (this.#value === undefined ? !known : this.#key === key) {
      this.#key = key;
      this.#value = value;
    } else (this.#others ??= new Map()).set(key, value);
  }

  delete(key: K): void {
    if (this.#value !== undefined && this.#key === key) {
      this.#key = this.#value = undefined;
      this.size--;
    } else if (this.#others?.delete(key)) this.size--;
  }

  *values(): Iterable<V> {
    if (this.#value !== undefined) yield this.#value;
    if (this.#others !== undefined) yield* this.#others.values();
  }
}
