'use strict';

const { shown, wrongType } = require('./check.js');
const { ReactorError } = require('./error.js');

/** @typedef {import('./conn.js').Conn} Conn */
/** @typedef {import('./datagram.js').Datagram} Datagram */
/** @typedef {import('./detached.js').Detached} Detached */
/** @typedef {import('./server.js').Server} Server */
/** @typedef {import('./timer.js').Timer} Timer */
/** @typedef {typeof import('./constants.js').Action} Actions */
/** @typedef {Actions[keyof Actions]} Action what a callback asks for */
/**
 * What a callback returns, or the promise that it returns resolves to. Any other value asks for nothing, and is reported to
 * `onError`, once for each callback and type of value.
 * @typedef {Action | null | undefined | void} Answer
 */
/** @typedef {typeof import('./constants.js').CloseReason} CloseReasons */
/** @typedef {CloseReasons[keyof CloseReasons] | (string & {})} CloseReason why a connection ended */

/**
 * The callbacks, all optional, all on the JavaScript thread that made the server. Those of one connection come in order,
 * and never two at once. One that throws, or whose promise is rejected, closes its connection with `handler error` and
 * is reported to `onError`; the server lives on.
 *
 * One that returns a promise holds its connection until the promise ends, as `conn.hold` does: no `onData` comes
 * meanwhile, and the peer may end its side without losing the answer. Only `onDrain` may come, for which the promise may
 * be waiting, and `onClose`, after which nobody waits for the promise. `onWake` and each timer come after it, once, however often
 * they were due.
 *
 * All callbacks of a connection run in one asynchronous context of its own, for `AsyncLocalStorage`, which begins as that of
 * the call of `start` or `run`.
 * @typedef {object} Handler
 * @property {(server: Server) => Answer | Promise<Answer>} [onStart] The server starts: once, before any other callback,
 *   within the call of `start` or `run`. Returning `Action.Stop` refuses the start, throwing fails it.
 * @property {(conn: Conn) => Answer | Promise<Answer>} [onOpen] A connection is open and takes writes.
 * @property {(conn: Conn, data: Buffer) => Answer | Promise<Answer>} [onData] Bytes came in. The buffer is
 *   yours for as long as you keep it, and nobody else writes to it. One of 4 KiB or more has memory of its own. A smaller one may
 *   share some, up to 64 KiB (`data.buffer`), with others that came at the same time, as what `Buffer.from` makes does: copy what
 *   you keep for long. What is shared can be cloned, but not transferred, to a Worker.
 * @property {(conn: Conn, data: Buffer, datagram: Datagram) => Answer | Promise<Answer>} [onDatagram] A datagram came for a UDP
 *   endpoint, or an outgoing UDP connection: `datagram` says from whom, and where to. `conn.write` answers the sender until this
 *   returns, from the address that it was sent to; later, `conn.sendTo(datagram, data)` does. Endpoints have no `onOpen` and
 *   `onClose`. Promises of an endpoint's run side by side, 1024 at most. Without this callback `onData` is given the bytes.
 * @property {(conn: Conn, args: Buffer[]) => Answer | Promise<Answer>} [onCommand] A command came in, cut by the framing
 *   `resp`, which a handler without this cannot have: its arguments, at least one, of which the first is its name. They are yours,
 *   and share memory as what `onData` is given does, those of one command in any case.
 * @property {(conn: Conn) => Answer | Promise<Answer>} [onEof] The peer has shut its writing side down, and everything before was
 *   delivered. Only for connections with `halfOpen`; others are closed then, and so are these without this callback. The
 *   connection goes on until `conn.end` or `conn.close`.
 * @property {(conn: Conn) => Answer | Promise<Answer>} [onDrain] The queue of unsent output, once above the high-water
 *   mark, has fallen to the low-water mark.
 * @property {(conn: Conn) => Answer | Promise<Answer>} [onWake] `wake` was called for the connection, once or several times.
 * @property {(conn: Conn, timer: Timer) => Answer | Promise<Answer>} [onTimer] A timer of the connection's is due: the one that
 *   `conn.setTimer` returned.
 * @property {(conn: Conn, reason: CloseReason, errno: number | null) => Answer | Promise<Answer>} [onClose] The connection
 *   is gone: the last of its callbacks, exactly once after each `onOpen`. The errno is the system's, for `reset`.
 * @property {(conn: Conn, detached: Detached) => Answer | Promise<Answer>} [onDetach] The connection was taken out of the engine, by
 *   `conn.detach` or `Action.Detach`: the last of its callbacks, instead of `onClose`. Who takes neither the socket nor the
 *   descriptor before this ends, or its promise, or has no such callback, wants it closed.
 * @property {(server: Server) => number | null | undefined | void | Promise<number | null | undefined | void>} [onTick] Time passes:
 *   called as soon as the loops run, and again after as many milliseconds as it returns; nothing ends it. One that throws is
 *   called again after the time before, or a second.
 * @property {(server: Server) => Answer | Promise<Answer>} [onStopping] A graceful stop has begun: once. The listeners are
 *   closed, and connections may finish until the deadline.
 * @property {(server: Server) => Answer | Promise<Answer>} [onStop] The server has stopped: once, after the last
 *   callback, when all loops have ended.
 * @property {(error: Error, conn: Conn | null) => unknown} [onError] A callback failed: that of a connection, which is
 *   being closed, or another; or a callback returned what is no action, which closes nothing. Without it such errors are told to
 *   `onLog`, and without that become warnings of the process.
 * @property {(level: LogLevel, message: string) => unknown} [onLog] The engine says something, from the server's `logLevel` on.
 *   It does not say which server it is about: of several that listen for its level the one that was started first is told.
 *   Without it errors become warnings of the process.
 */
/** @typedef {'error' | 'warn' | 'info' | 'debug' | 'trace'} LogLevel */

/** @type {readonly (keyof Handler)[]} */
const CALLBACKS = [
  'onStart', 'onOpen', 'onData', 'onDatagram', 'onCommand', 'onEof', 'onDrain', 'onWake', 'onTimer', 'onDetach',
  'onClose', 'onTick', 'onStopping', 'onStop', 'onError', 'onLog',
];
/** The names as somebody may write them by mistake. */
const SPELLED = new Set(CALLBACKS.map(plainly));

/** @param {string} name */
function plainly(name) {
  return name.replaceAll('_', '').toLowerCase();
}

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
  const unknown = methodsOf(handler).find(isUnknown);
  if (unknown === undefined) return handler;
  const message = `the handler has ${shown(unknown)}, which is no callback (known: ${CALLBACKS.join(', ')})`;
  throw new ReactorError('INVALID_ARGUMENT', message);
}

/**
 * Whether somebody has meant a callback by this name, and there is none: it would never be called.
 * @param {string} name
 */
function isUnknown(name) {
  const known = /** @type {readonly string[]} */ (CALLBACKS).includes(name);
  return !known && (/^on[A-Z]/.test(name) || SPELLED.has(plainly(name)));
}

/**
 * The names of an object's methods, its own and those of its classes. It runs none of its getters.
 * @param {object} handler
 * @returns {string[]}
 */
function methodsOf(handler) {
  /** @type {string[]} */
  const names = [];
  for (let at = handler; at && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value === 'function') names.push(name);
    }
  }
  return names;
}

module.exports = { checkedHandler };
