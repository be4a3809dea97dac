'use strict';

/** @typedef {import('./conn.js').NativeServer} NativeServer */
/** @typedef {import('./session.js').Session} Session */

/** Bytes that are gathered at once, at most. */
const SIZE = 64 << 10;
/** Bytes from which on a write is made at once: to copy them twice would cost more than the call. */
const LONG = 2 << 10;
/** Connections, or runs of writes of one, that are gathered at once. */
const MOST = 1024;
/** Numbers of each: the high and the low half of the id, where its bytes end, and how many writes they are. */
const WORDS = 4;
/** What the addon puts in the place of the last when it refuses the writes for want of room. */
const FULL = 2;

/**
 * Gathers what the callbacks for one log write, so that it crosses the border together. Nothing is gathered that could be refused: a
 * session knows how much room there is at least (`session.room`), and the engine is asked for more. What does not fit is for the
 * engine itself.
 */
class Outbox {
  #native;
  #full;
  #bytes = new Uint8Array(SIZE);
  #words = new Uint32Array(MOST * WORDS);
  #isOpen = false;
  /** Bytes gathered, and the place behind the numbers of the last run. */
  #end = 0;
  #next = 0;
  /**
   * Whose run the last one is.
   * @type {Session | undefined}
   */
  #last;
  /**
   * Whose writes were refused for want of room, which others have used up meanwhile.
   * @type {[number, number][]}
   */
  #lost = [];

  /**
   * @param {NativeServer} native
   * @param {(high: number, low: number) => void} full is told of a connection whose writes were lost
   */
  constructor(native, full) {
    this.#native = native;
    this.#full = full;
  }

  /** Gathers from now on. */
  open() {
    this.#isOpen = true;
  }

  /** Makes the writes, and gathers no more. */
  close() {
    this.flush();
    this.#isOpen = false;
    while (this.#lost.length > 0) this.#full(.../** @type {[number, number]} */ (this.#lost.shift()));
  }

  /**
   * Takes a write; or not, and then it is to be made at once.
   * @param {Session} session
   * @param {Uint8Array} bytes
   * @returns {boolean}
   */
  add(session, bytes) {
    const at = this.#place(session, bytes.length);
    if (at < 0) return false;
    this.#bytes.set(bytes, at);
    return true;
  }

  /**
   * The same for a write in several pieces.
   * @param {Session} session
   * @param {Uint8Array[]} parts
   * @returns {boolean}
   */
  addParts(session, parts) {
    let at = this.#place(session, parts.reduce((length, part) => length + part.length, 0));
    if (at < 0) return false;
    for (const part of parts) {
      this.#bytes.set(part, at);
      at += part.length;
    }
    return true;
  }

  /**
   * Where the bytes of a write go; below 0 if they are not to be gathered.
   * @param {Session} session
   * @param {number} length
   * @returns {number}
   */
  #place(session, length) {
    if (!this.#isOpen || length === 0 || length >= LONG) return -1;
    if (length > session.room && !this.#hasRoom(session, length)) return -1;
    if (this.#end + length > SIZE) this.flush();
    if (session !== this.#last) this.#begin(session);
    const at = this.#end;
    this.#end = at + length;
    this.#words[this.#next - 2] = this.#end;
    this.#words[this.#next - 1] += 1;
    session.room -= length;
    return at;
  }

  /**
   * Asks how much room there is.
   * @param {Session} session
   * @param {number} length
   */
  #hasRoom(session, length) {
    this.flush();
    session.room = this.#native.room(session.id.high, session.id.low);
    return length <= session.room;
  }

  /** @param {Session} session */
  #begin(session) {
    if (this.#next === this.#words.length) this.flush();
    this.#words[this.#next] = session.id.high;
    this.#words[this.#next + 1] = session.id.low;
    this.#words[this.#next + 3] = 0;
    this.#next += WORDS;
    this.#last = session;
  }

  /** Makes the writes that were gathered. What is asked of the engine comes behind them. */
  flush() {
    if (this.#next > 0) this.#flush();
  }

  #flush() {
    const end = this.#next;
    const refused = this.#native.writeMerged(this.#words, end / WORDS, this.#bytes);
    this.#next = 0;
    this.#end = 0;
    this.#last = undefined;
    for (let at = 0; refused > 0 && at < end; at += WORDS) {
      // One that has closed meanwhile will be told of: to its peer it is as if the bytes had come too late.
      if (this.#words[at + 3] === FULL) this.#lost.push([this.#words[at] ?? 0, this.#words[at + 1] ?? 0]);
    }
  }
}

module.exports = { Outbox };
