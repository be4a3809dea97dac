'use strict';

const { bytesOf } = require('./check.js');

/**
 * A server of the addon, with its calls by id.
 * @typedef {import('../types/native.js').NativeServer & import('../types/native.js').Calls} NativeServer
 */
/** @typedef {import('./session.js').Session} Session */

/** A connection. The same object in all its callbacks; it may be kept, and used at any time. */
class Conn {
  #session;

  /**
   * @hideconstructor
   * @param {Session} session
   */
  constructor(session) {
    this.#session = session;
    /**
     * Yours: the engine does not touch it.
     * @type {any}
     */
    this.data = undefined;
  }

  /** The id, for `server.write` and `server.close`. Always the same object. */
  get id() {
    return this.#session.id;
  }

  /** Whether the connection takes writes. */
  get isOpen() {
    return this.#session.isOpen;
  }

  /**
   * Queues a copy of the bytes; a string is sent as UTF-8. They leave when the handler is done with its turn.
   * @param {Uint8Array | string} data
   * @returns {boolean} true: go on writing; false: the bytes are accepted, but the queue is above the high-water mark,
   *   better wait for `onDrain`
   * @throws {ReactorError} `CLOSED` if the connection is closed or closing, `FULL` if the queue would exceed the hard
   *   limit, which closes the connection unless `keepOnOverflow` is set, or the server its byte budget; then nothing is
   *   queued
   */
  write(data) {
    return this.#session.write(bytesOf(data));
  }

  /**
   * Closes the connection: from now on writes throw `CLOSED`; what is queued is sent, and no more input is delivered;
   * then comes `onClose`.
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is closed or closing already
   */
  close() {
    this.#session.close();
  }

  /**
   * Holds the connection while an answer is made elsewhere. Until {@link release} it is not read, and the end of the peer's
   * side does not close it; its idle and read time-outs do not run. Writes and `onDrain` go on. Holds are counted. A
   * reset, `close`, the write time-out and the server's stop end it all the same. A callback that returns a promise holds
   * its connection by itself, until the promise ends.
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is closed or closing
   */
  hold() {
    this.#session.hold();
  }

  /**
   * Takes one {@link hold} back: the connection goes on when it was released as often as it was held. What was written
   * before is sent before the connection ends.
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is closed or closing, `WRONG_STATE` if it is not held
   */
  release() {
    this.#session.release();
  }
}

module.exports = { Conn };
