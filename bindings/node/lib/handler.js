'use strict';

const { wrongType } = require('./check.js');

/** @typedef {import('./conn.js').Conn} Conn */
/** @typedef {import('./server.js').Server} Server */
/** @typedef {typeof import('./constants.js').Action} Actions */
/** @typedef {Actions[keyof Actions]} Action what a callback asks for */
/**
 * What a callback returns, or the promise that it returns resolves to. A boolean, which `write` returns, asks for nothing.
 * @typedef {Action | boolean | null | undefined | void} Answer
 */
/** @typedef {typeof import('./constants.js').CloseReason} CloseReasons */
/** @typedef {CloseReasons[keyof CloseReasons] | (string & {})} CloseReason why a connection ended */

/**
 * The callbacks, all optional, all on the JavaScript thread that made the server. Those of one connection come in order,
 * and never two at once. One that throws, or whose promise is rejected, closes its connection with `handler error` and
 * is reported to `onError`; the server lives on. The engine does not wait for a promise before the next callback.
 * @typedef {object} Handler
 * @property {(server: Server) => Answer | Promise<Answer>} [onStart] The server starts: once, before any other callback,
 *   within the call of `start` or `run`. Returning `Action.Stop` refuses the start, throwing fails it.
 * @property {(conn: Conn) => Answer | Promise<Answer>} [onOpen] A connection is open and takes writes.
 * @property {(conn: Conn, data: Buffer) => Answer | Promise<Answer>} [onData] Bytes came in. The buffer is
 *   yours, and its memory is shared with nothing.
 * @property {(conn: Conn) => Answer | Promise<Answer>} [onDrain] The queue of unsent output, once above the high-water
 *   mark, has fallen to the low-water mark.
 * @property {(conn: Conn, reason: CloseReason, errno: number | null) => Answer | Promise<Answer>} [onClose] The connection
 *   is gone: the last of its callbacks, exactly once after each `onOpen`. The errno is the system's, for `reset`.
 * @property {(server: Server) => Answer | Promise<Answer>} [onStop] The server has stopped: once, after the last
 *   callback, when all loops have ended.
 * @property {(error: Error, conn: Conn | null) => unknown} [onError] A callback failed: that of a connection, which is
 *   being closed, or another. Without it such errors become warnings of the process.
 */

/** @type {readonly (keyof Handler)[]} */
const CALLBACKS = ['onStart', 'onOpen', 'onData', 'onDrain', 'onClose', 'onStop', 'onError'];

/**
 * @param {Handler} handler
 * @returns {Handler}
 */
function checkedHandler(handler) {
  if (typeof handler !== 'object' || handler === null) throw wrongType('handler', 'an object', handler);
  for (const name of CALLBACKS) {
    const callback = handler[name];
    if (callback !== undefined && typeof callback !== 'function') {
      throw wrongType(`handler.${name}`, 'a function', callback);
    }
  }
  return handler;
}

module.exports = { checkedHandler };
