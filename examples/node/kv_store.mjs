// The keys and their values, when they expire, and who watches them. Keys are strings with a character for each byte (latin1).

/** Expired values that are removed before others have their turn. */
const SWEPT_AT_ONCE = 256;
const PARTS = 64;
/** Values of so many bytes are kept as strings. A Buffer is more than that by itself, or shares memory with others. */
const SHORT = 512;
/** Milliseconds that have one set of keys that expire in them. */
const SLICE = 100n;

export const MAX_MOMENT = (1n << 63n) - 1n;

/** @typedef {string | Buffer} Value */

/** The keys that a client watches, to learn in EXEC whether one has changed. */
export class Watch {
  /** @type {Set<string>} */
  keys = new Set();
  hasChanged = false;
}

/**
 * A value that is to be kept, from an argument, which may share memory with others that are not.
 * @param {Buffer} value
 * @returns {Value}
 */
export function kept(value) {
  if (value.length <= SHORT) return value.toString('latin1');
  if (2 * value.length > value.buffer.byteLength) return value;
  const own = Buffer.allocUnsafeSlow(value.length);
  value.copy(own);
  return own;
}

/** All commands run on one thread, one after the other. A moment is a number of milliseconds since the store was made. */
export class Store {
  #began = process.hrtime.bigint();
  /** @type {Map<string, Value>} */
  values = new Map();
  /**
   * The moment, for keys that have a time to live.
   * @type {Map<string, bigint>}
   */
  expires = new Map();
  /**
   * The keys that expire, by the slice of time.
   * @type {Map<number, Set<string>>}
   */
  #due = new Map();
  /** The first slice that was not swept. */
  #next = 0;
  /** @type {Map<string, Watch[]>} */
  #watches = new Map();

  now() {
    return (process.hrtime.bigint() - this.#began) / 1_000_000n;
  }

  /** @param {string} key */
  get(key) {
    const moment = this.expires.get(key);
    if (moment !== undefined && moment <= this.now()) this.remove(key);
    return this.values.get(key);
  }

  /**
   * @param {string} key
   * @param {Value} value
   * @param {bigint} [moment] when it expires
   */
  set(key, value, moment) {
    this.values.set(key, value);
    this.expire(key, moment);
  }

  /**
   * Changes when a key expires that there is.
   * @param {string} key
   * @param {bigint | undefined} moment undefined: never
   */
  expire(key, moment) {
    this.#touch(key);
    this.#forget(key);
    if (moment === undefined) return;
    this.expires.set(key, moment);
    const slice = sliceOf(moment);
    const due = this.#due.get(slice);
    if (due) due.add(key);
    else this.#due.set(slice, new Set([key]));
  }

  /**
   * It never expires.
   * @param {string} key
   */
  #forget(key) {
    const moment = this.expires.get(key);
    if (moment === undefined) return;
    this.expires.delete(key);
    const slice = sliceOf(moment);
    const due = this.#due.get(slice);
    due?.delete(key);
    if (due?.size === 0) this.#due.delete(slice);
  }

  /**
   * @param {string} key
   * @returns {boolean} whether there was something to remove
   */
  remove(key) {
    const moment = this.expires.get(key);
    const isExpired = moment !== undefined && moment <= this.now();
    if (!this.values.delete(key)) return false;
    this.#forget(key);
    this.#touch(key);
    return !isExpired;
  }

  clear() {
    for (const key of this.#watches.keys()) {
      if (this.values.has(key)) this.#touch(key);
    }
    for (const keys of [this.values, this.expires, this.#due]) keys.clear();
  }

  /**
   * Removes some of what has expired.
   * @returns {boolean} whether there may be more
   */
  sweep() {
    const current = sliceOf(this.now());
    let left = SWEPT_AT_ONCE;
    for (; this.#next < current; this.#next += 1) {
      for (const key of this.#due.get(this.#next) ?? []) {
        if (left === 0) return true;
        left -= 1;
        this.remove(key);
      }
    }
    return false;
  }

  /** Those that have not expired. */
  *keys() {
    const now = this.now();
    for (const key of this.values.keys()) {
      if ((this.expires.get(key) ?? MAX_MOMENT) > now) yield key;
    }
  }

  /**
   * The same keys in parts, each key always in the same one.
   * @returns {string[][]}
   */
  parts() {
    /** @type {string[][]} */
    const parts = Array.from({ length: PARTS }, () => []);
    for (const key of this.keys()) parts[partOf(key)]?.push(key);
    return parts;
  }

  /**
   * A key changes: whoever watches it learns that.
   * @param {string} key
   */
  #touch(key) {
    if (this.#watches.size === 0) return;
    for (const watch of this.#watches.get(key) ?? []) watch.hasChanged = true;
  }

  /**
   * @param {string} key
   * @param {Watch} watch
   */
  watch(key, watch) {
    // What has expired before does not change by being removed.
    this.get(key);
    if (watch.keys.has(key)) return;
    watch.keys.add(key);
    const watches = this.#watches.get(key);
    if (watches) watches.push(watch);
    else this.#watches.set(key, [watch]);
  }

  /**
   * Makes it watch nothing.
   * @param {Watch} watch
   */
  unwatch(watch) {
    for (const key of watch.keys) {
      const others = (this.#watches.get(key) ?? []).filter((other) => other !== watch);
      if (others.length > 0) this.#watches.set(key, others);
      else this.#watches.delete(key);
    }
    watch.keys.clear();
    watch.hasChanged = false;
  }

  /** @param {Watch} watch */
  hasChanged(watch) {
    // What has expired is removed by looking, and has changed.
    for (const key of watch.keys) this.get(key);
    return watch.hasChanged;
  }
}

/** @param {bigint} moment */
function sliceOf(moment) {
  return Number(moment / SLICE);
}

/** @param {string} key */
function partOf(key) {
  let hash = 0;
  for (let at = 0; at < key.length; at += 1) hash = (Math.imul(hash, 31) + key.charCodeAt(at)) | 0;
  return (hash >>> 0) % PARTS;
}
