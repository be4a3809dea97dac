'use strict';

const { bytesOf } = require('./check.js');
const { ConnId } = require('./conn_id.js');
const { errorOf } = require('./error.js');

/**
 * A server of the addon, with its calls by id.
 * @typedef {import('../types/native.js').NativeServer & import('../types/native.js').Calls} NativeServer
 */

/** @type {(conn: Conn) => boolean} */
let isClosing;
/** @type {(conn: Conn) => void} */
let setClosing;

/** A connection. The same object in all its callbacks; it may be kept, and used at any time. */
class Conn {
  #native;
  #id;
  /** This side has closed it: what the engine still holds for it is dropped, except onClose. */
  #closing = false;

  static {
    isClosing = (conn) => conn.#closing;
    setClosing = (conn) => {
      conn.#closing = true;
    };
  }

  /**
   * @hideconstructor
   * @param {NativeServer} native
   * @param {ConnId} id
   */
  constructor(native, id) {
    this.#native = native;
    this.#id = id;
    /**
     * Yours: the engine does not touch it.
     * @type {any}
     */
    this.data = undefined;
  }

  /** The id, for `server.write` and `server.close`. Always the same object. */
  get id() {
    return this.#id;
  }

  /** Whether the connection takes writes. */
  get isOpen() {
    return this.#native.isOpen(this.#id.high, this.#id.low);
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
    return write(this.#native, this.#id, data);
  }

  /**
   * Closes the connection: from now on writes throw `CLOSED`; what is queued is sent, and no more input is delivered;
   * then comes `onClose`.
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is closed or closing already
   */
  close() {
    this.#closing = true;
    close(this.#native, this.#id);
  }
}

/**
 * @param {NativeServer} native
 * @param {ConnId} id
 * @param {Uint8Array | string} data
 * @returns {boolean}
 */
function write(native, id, data) {
  const done = native.write(id.high, id.low, bytesOf(data));
  if (typeof done === 'boolean') return done;
  throw errorOf(done);
}

/**
 * @param {NativeServer} native
 * @param {ConnId} id
 */
function close(native, id) {
  const failure = native.close(id.high, id.low);
  if (failure) throw errorOf(failure);
}

module.exports = { Conn, close, isClosing, setClosing, write };
