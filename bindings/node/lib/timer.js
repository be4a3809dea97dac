'use strict';

const { shown, wrongType } = require('./check.js');
const { ReactorError } = require('./error.js');

/** The longest time of Node's timers: a longer one would be due at once. */
const LONGEST = 2 ** 31 - 1;
/** Milliseconds to the next tick after one that failed, if none said it before. */
const AFTER_FAILURE = 1000;

let lastId = 0;

/** A timer, as `setTimer` makes it. It does not keep the process alive: its server does. */
class Timer {
  /** @type {NodeJS.Timeout | undefined} */
  #handle;
  #ended;

  /**
   * @hideconstructor
   * @param {number} delay
   * @param {number} repeat
   * @param {(timer: Timer) => void} due
   * @param {(timer: Timer) => void} [ended]
   */
  constructor(delay, repeat, due, ended = () => {}) {
    const [first, later] = [milliseconds(delay, 'delayMs'), milliseconds(repeat, 'repeatMs')];
    lastId += 1;
    /** The timer's number: never 0, and never used again on this thread. @readonly */
    this.id = lastId;
    this.#ended = ended;
    this.#handle = setTimeout(() => {
      if (later === 0) this.cancel();
      else this.#handle = setInterval(due, later, this).unref();
      due(this);
    }, first).unref();
  }

  /**
   * Ends it.
   * @returns {boolean} whether there was something to end: false if it was due before, or has ended with its connection
   */
  cancel() {
    if (this.#handle === undefined) return false;
    clearTimeout(this.#handle);
    this.#handle = undefined;
    this.#ended(this);
    return true;
  }
}

/**
 * @param {unknown} value
 * @param {string} what
 * @returns {number}
 */
function milliseconds(value, what) {
  if (typeof value !== 'number') throw wrongType(what, 'a number of milliseconds', value);
  if (value >= 0 && value <= LONGEST) return Math.ceil(value);
  throw new ReactorError('INVALID_ARGUMENT', `${what} must be from 0 to ${LONGEST} milliseconds, not ${value}`);
}

/** Calls `onTick` as soon as the loops run, and again after as many milliseconds as it has answered. */
class Ticker {
  #call;
  #before = AFTER_FAILURE;
  #ended = false;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /** @param {() => Promise<{ answer?: unknown }>} call calls it; without an answer it has failed */
  constructor(call) {
    this.#call = call;
    this.#wait(0);
  }

  /** @param {number} delay */
  #wait(delay) {
    this.#timer = setTimeout(() => void this.#tick(), delay).unref();
  }

  async #tick() {
    const { answer = this.#before } = await this.#call();
    if (this.#ended || answer === null) return;
    this.#before = /** @type {number} */ (answer);
    this.#wait(this.#before);
  }

  end() {
    this.#ended = true;
    clearTimeout(this.#timer);
  }
}

/**
 * The milliseconds to the next tick; `null` for none.
 * @param {unknown} answer
 * @returns {number | null}
 */
function nextTick(answer) {
  if (answer === undefined || answer === null) return null;
  if (typeof answer === 'number' && answer >= 0 && answer <= LONGEST) return Math.ceil(answer);
  throw new TypeError(`onTick must return milliseconds, from 0 to ${LONGEST}, or nothing, not ${shown(answer)}`);
}

module.exports = { Ticker, Timer, milliseconds, nextTick };
