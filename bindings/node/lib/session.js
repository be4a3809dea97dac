'use strict';

const { ReactorError, closedError, errorOf } = require('./error.js');
const { warn } = require('./warning.js');

/** @typedef {import('./conn_id.js').ConnId} ConnId */
/** @typedef {import('./conn.js').NativeServer} NativeServer */
/** @typedef {import('./scope.js').Scope} Scope */

/**
 * Input that came with others in one batch while the connection is held: the bytes, or `null` for the end of file.
 * @typedef {Buffer | null} Input
 */

/** What the package keeps of a connection, besides the object that the user has. */
class Session {
  #native;
  #high;
  #low;
  /** Holds of the user's that were not released. */
  #holds = 0;
  /** Callbacks whose promise has not ended, each of which holds the connection. */
  #running = 0;
  /**
   * What was handed over before the engine knew of the hold.
   * @type {Input[]}
   */
  #waiting = [];

  /**
   * @param {NativeServer} native
   * @param {ConnId} id
   * @param {Scope} scope
   * @param {(input: Input) => void} give calls the handler with input that has waited
   */
  constructor(native, id, scope, give) {
    this.#native = native;
    this.#high = id.high;
    this.#low = id.low;
    this.id = id;
    /** The asynchronous context of its callbacks. */
    this.scope = scope;
    this.give = give;
    /** This side has closed it: what the engine still holds for it is dropped, except onClose. */
    this.isClosing = false;
  }

  get isOpen() {
    return this.#native.isOpen(this.#high, this.#low);
  }

  /**
   * @param {Uint8Array} bytes
   * @returns {boolean}
   */
  write(bytes) {
    const done = this.#native.write(this.#high, this.#low, bytes);
    if (typeof done === 'boolean') return done;
    throw errorOf(done, this.id);
  }

  close() {
    this.isClosing = true;
    const failure = this.#native.close(this.#high, this.#low);
    if (failure) throw errorOf(failure, this.id);
  }

  /** An answer closes it. It may be closed already; then there is nothing left to do. */
  closeIfOpen() {
    this.isClosing = true;
    this.#native.close(this.#high, this.#low);
  }

  /** A callback of its failed. */
  fail() {
    this.isClosing = true;
    this.#native.fail(this.#high, this.#low);
  }

  hold() {
    const failure = this.#native.holdConn(this.#high, this.#low);
    if (failure) throw errorOf(failure, this.id);
    this.#holds += 1;
  }

  release() {
    if (this.#holds === 0) throw this.isOpen ? notHeld(this.id) : closedError(this.id);
    this.#holds -= 1;
    const failure = this.#letGo();
    if (failure) throw errorOf(failure, this.id);
  }

  /** A callback goes on in its promise. Says whether the engine holds the connection for it. */
  runs() {
    this.#running += 1;
    return this.#native.holdConn(this.#high, this.#low) === null;
  }

  /**
   * The promise has ended, and what it asks for was done.
   * @param {boolean} held what {@link runs} said
   */
  ran(held) {
    this.#running -= 1;
    if (held) this.#letGo();
  }

  /** Whether input must wait. */
  get waits() {
    return this.#holds + this.#running > 0 || this.#waiting.length > 0;
  }

  /** @param {Input} input */
  keep(input) {
    this.#waiting.push(input);
  }

  /** The connection is gone: nobody is to be given what has waited. */
  drop() {
    this.#waiting = [];
  }

  /** One hold less. What has waited comes before the engine goes on, but never from inside the call that releases. */
  #letGo() {
    if (this.#holds + this.#running > 0 || this.#waiting.length === 0) {
      return this.#native.releaseConn(this.#high, this.#low);
    }
    queueMicrotask(() => this.#goOn());
    return null;
  }

  #goOn() {
    while (this.#holds + this.#running === 0 && this.#waiting.length > 0) {
      const input = /** @type {Input} */ (this.#waiting.shift());
      if (!this.isClosing) this.#give(input);
    }
    // It may be closed by now.
    this.#native.releaseConn(this.#high, this.#low);
  }

  /** @param {Input} input */
  #give(input) {
    try {
      this.give(input);
    } catch (error) {
      warn(error);
    }
  }
}

/** @param {ConnId} id */
function notHeld(id) {
  const message = `connection ${id} is not held: it was released as often as it was held`;
  return new ReactorError('WRONG_STATE', message);
}

module.exports = { Session };
