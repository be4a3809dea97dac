'use strict';

/** @typedef {Buffer | Buffer[] | null} Input bytes, the arguments of a command, or the end */
/**
 * Input that came with others in one batch and waits, what gives it to the handler, and what it takes in the stream.
 * @typedef {{ input: Input, give: (input: Input) => void, piece: Buffer | undefined }} Waiter
 */

/** So many places may be empty before the rest moves to the front. */
const EMPTY = 1024;

/** Input that waits for the handler, in order. There may be very much of it: an array's own `shift` moves all that is left each time. */
class Waiting {
  /** @type {(Waiter | undefined)[]} */
  #places = [];
  /** Where the first is. */
  #at = 0;

  get length() {
    return this.#places.length - this.#at;
  }

  /** @returns {Waiter | undefined} */
  get first() {
    return this.#places[this.#at];
  }

  /** @param {Waiter} waiter */
  push(waiter) {
    this.#places.push(waiter);
  }

  /** @returns {Waiter | undefined} */
  shift() {
    const { first } = this;
    if (first === undefined) return undefined;
    this.#places[this.#at] = undefined;
    this.#at += 1;
    if (this.#at >= EMPTY && this.#at * 2 >= this.#places.length) {
      this.#places = this.#places.slice(this.#at);
      this.#at = 0;
    }
    return first;
  }

  /**
   * Takes out what came of the stream.
   * @returns {Buffer[]} as it came
   */
  takePieces() {
    const all = /** @type {Waiter[]} */ (this.#places.slice(this.#at));
    this.clear();
    for (const waiter of all) if (waiter.piece === undefined) this.push(waiter);
    return /** @type {Buffer[]} */ (all.map(({ piece }) => piece).filter((piece) => piece !== undefined));
  }

  clear() {
    this.#places = [];
    this.#at = 0;
  }
}

module.exports = { Waiting };
