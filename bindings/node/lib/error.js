'use strict';

/** An error of the engine: what kind of wrong, in words, and the system's number if there is one. */
class ReactorError extends Error {
  /**
   * @param {string} code the kind, one of `ErrorCode`
   * @param {string} message
   * @param {{ errno?: number | null | undefined, cause?: unknown }} [more]
   */
  constructor(code, message, more = {}) {
    super(message, 'cause' in more ? { cause: more.cause } : undefined);
    /** The kind, one of {@link ErrorCode}: `ADDRESS_IN_USE`. More will come. */
    this.code = code;
    if (typeof more.errno === 'number') {
      /**
       * The system's error number, where the system was the cause.
       * @type {number | undefined}
       */
      this.errno = more.errno;
    }
  }
}

Object.defineProperty(ReactorError.prototype, 'name', { value: 'ReactorError', configurable: true, writable: true });

/** @typedef {import('./conn_id.js').ConnId} ConnId */

/**
 * The connection that an error says is closed.
 * @type {WeakMap<object, ConnId>}
 */
const CLOSED = new WeakMap();

/**
 * @param {import('../types/native.js').Failure} failure
 * @param {ConnId} [id] the connection that the call was about
 * @returns {ReactorError}
 */
function errorOf({ code, message, errno }, id) {
  const error = new ReactorError(code, message, { errno });
  if (id && code === 'CLOSED') CLOSED.set(error, id);
  return error;
}

/** @param {ConnId} id */
const closedError = (id) => errorOf({ code: 'CLOSED', message: `connection ${id} is closed` }, id);

/**
 * Whether what was thrown is the failure of a call on this connection because it is closed.
 * @param {unknown} thrown
 * @param {ConnId} id
 */
function saysClosed(thrown, id) {
  const closed = typeof thrown === 'object' && thrown !== null ? CLOSED.get(thrown) : undefined;
  return closed?.high === id.high && closed.low === id.low;
}

module.exports = { ReactorError, closedError, errorOf, saysClosed };
