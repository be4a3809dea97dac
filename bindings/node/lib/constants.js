'use strict';

const { inspect } = require('node:util');

/** What actions are known by: the same in every copy of the package and in every realm of the process. */
const MARK = Symbol.for('reactor-engine.Action');

/** An action: a value of its own kind, which nothing else can be by mistake. */
class ActionValue {
  #name;

  /**
   * @hideconstructor
   * @param {'None' | 'Close' | 'Detach' | 'Stop'} name
   */
  constructor(name) {
    this.#name = name;
    Object.defineProperty(this, MARK, { value: name });
    Object.freeze(this);
  }

  /** `Action.Close`. */
  toString() {
    return `Action.${this.#name}`;
  }

  /** @internal */
  [inspect.custom]() {
    return this.toString();
  }
}

/** What a callback asks the engine to do next: its return value. No other value asks for anything. */
const Action = Object.freeze({
  /** Go on; the same as returning nothing. */
  None: new ActionValue('None'),
  /** Close this connection: from now on writes throw `CLOSED`; what is queued is sent first. */
  Close: new ActionValue('Close'),
  /** Take this connection out of the engine: see `conn.detach`, and `onDetach`. */
  Detach: new ActionValue('Detach'),
  /** Stop the server. */
  Stop: new ActionValue('Stop'),
});
/** @typedef {(typeof Action)[keyof typeof Action]} Action what a callback asks for */

/**
 * The name of an action, of whichever copy of the package; `undefined` of any other value. It never throws.
 * @param {unknown} value
 * @returns {string | undefined}
 */
function actionName(value) {
  try {
    return value === null || typeof value !== 'object' ? undefined : /** @type {any} */ (value)[MARK];
  } catch {
    // A proxy whose traps throw.
    return undefined;
  }
}

/** Why a connection ended. Expect values you do not know; more will come. */
const CloseReason = Object.freeze({
  /** The peer closed its side, and everything was answered. */
  Eof: /** @type {const} */ ('eof'),
  /** The connection broke: the peer reset it, or the network gave up. The errno says which. */
  Reset: /** @type {const} */ ('reset'),
  /** This side closed it. */
  LocalClose: /** @type {const} */ ('local close'),
  /** This side reset it. */
  Abort: /** @type {const} */ ('abort'),
  /** Nothing came or went for as long as the idle time-out. */
  Idle: /** @type {const} */ ('idle'),
  /** The server stopped. */
  Shutdown: /** @type {const} */ ('shutdown'),
  /** A write went beyond the hard limit; or the server held more than its byte budget, and this connection too much. */
  Overflow: /** @type {const} */ ('overflow'),
  /** The input breaks the framing. */
  Protocol: /** @type {const} */ ('protocol error'),
  /** A callback failed. */
  HandlerError: /** @type {const} */ ('handler error'),
  /** An outgoing connection could not be made. The errno says why. */
  ConnectFailed: /** @type {const} */ ('connect failed'),
  /** The connect, read or write time-out was over. */
  TimedOut: /** @type {const} */ ('time-out'),
});
/** @typedef {(typeof CloseReason)[keyof typeof CloseReason] | (string & {})} CloseReason why a connection ended */

/** The codes of a {@link ReactorError}. Expect values you do not know; more will come. */
const ErrorCode = Object.freeze({
  /** An argument is outside what the call accepts. */
  InvalidArgument: /** @type {const} */ ('INVALID_ARGUMENT'),
  /** A listen address cannot be parsed, or carries an unknown or malformed option. */
  InvalidAddress: /** @type {const} */ ('INVALID_ADDRESS'),
  /** The address of a listener is taken. */
  AddressInUse: /** @type {const} */ ('ADDRESS_IN_USE'),
  /** The operating system refused; `errno` says why. */
  System: /** @type {const} */ ('SYSTEM'),
  /** The connection is closed or closing, or the id belongs to another server. */
  Closed: /** @type {const} */ ('CLOSED'),
  /** The connection's queue is at its hard limit, or the server at its byte budget; nothing was queued. */
  Full: /** @type {const} */ ('FULL'),
  /** The call does not fit the server's state, for example starting it twice. */
  WrongState: /** @type {const} */ ('WRONG_STATE'),
  /** The call is not allowed on this thread. */
  WrongThread: /** @type {const} */ ('WRONG_THREAD'),
  /** The start was refused: `onStart` returned stop, or stop was called before. */
  Stopped: /** @type {const} */ ('STOPPED'),
  /** `onStart` failed; the cause is what it threw. */
  HandlerFailed: /** @type {const} */ ('HANDLER_FAILED'),
  /** A defect of the engine, caught at its border. */
  Internal: /** @type {const} */ ('INTERNAL'),
  /** The call has no meaning for this kind of socket, or this way of delivery. */
  Unsupported: /** @type {const} */ ('UNSUPPORTED'),
});
/** @typedef {(typeof ErrorCode)[keyof typeof ErrorCode] | (string & {})} ErrorCode what went wrong */

module.exports = { Action, CloseReason, ErrorCode, actionName };
