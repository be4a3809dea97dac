'use strict';

const { asError, shown } = require('./check.js');
const { ConnId } = require('./conn_id.js');
const { Conn, isClosing, setClosing } = require('./conn.js');
const { Action } = require('./constants.js');
const { ReactorError } = require('./error.js');
const native = require('./addon.js');
const { warn } = require('./warning.js');

/** @typedef {import('./handler.js').Handler} Handler */

/** How many numbers a record is. */
const WORDS = native.recordWords();
/** @type {Map<string, number>} */
const KINDS = new Map(native.recordKinds().map(({ number, name }) => [name, number]));
const [OPEN, DATA, DRAIN, CLOSE, EOF] = ['open', 'data', 'drain', 'close', 'eof'].map((name) => KINDS.get(name));
/** The kind's part of a record's first number; the rest are flags. */
const KIND = 0xffff;

/** @type {Map<number, string>} */
const REASONS = new Map(native.closeReasons().map(({ number, name }) => [number, name]));

/** Calls the user's callbacks, does what they answer, and reports those that fail. It never throws. */
class Dispatcher {
  #native;
  #handler;
  /**
   * The connections by the low half of their ids, which no two have at once.
   * @type {Map<number, Conn>}
   */
  #conns = new Map();

  /**
   * @param {import('./conn.js').NativeServer} nativeServer
   * @param {Handler} handler
   */
  constructor(nativeServer, handler) {
    this.#native = nativeServer;
    this.#handler = handler;
  }

  /**
   * Calls the callbacks for a log.
   * @param {Uint32Array} words five for each record: kind, high and low half of the connection's id, and two more
   * @param {Buffer} bytes lent by the addon until this returns, unless they are those of one record
   */
  deliver(words, bytes) {
    for (let at = 0; at < words.length; at += WORDS) {
      const kind = words[at] & KIND;
      const low = words[at + 2];
      if (kind === OPEN) this.#conns.set(low, new Conn(this.#native, new ConnId(words[at + 1], low)));
      const conn = this.#conns.get(low);
      try {
        if (conn) this.#event(kind, conn, words[at + 3], words[at + 4], bytes);
      } catch (error) {
        // The events that follow belong to others.
        warn(error);
      }
    }
  }

  /**
   * @param {number} kind
   * @param {Conn} conn
   * @param {number} first
   * @param {number} second
   * @param {Buffer} bytes
   */
  #event(kind, conn, first, second, bytes) {
    if (kind === CLOSE) {
      this.#conns.delete(conn.id.low);
      const reason = REASONS.get(first) ?? `reason ${first}`;
      this.call(conn, 'onClose', conn, reason, second === 0 ? null : second);
    } else if (isClosing(conn)) {
      // The handler is done with it.
    } else if (kind === DATA) {
      this.#data(conn, ownBytes(bytes, first, second));
    } else if (kind === OPEN || kind === DRAIN) {
      this.call(conn, kind === DRAIN ? 'onDrain' : 'onOpen', conn);
    } else if (kind === EOF) {
      // Nobody here can end one side, so the connection is over.
      this.#obey(conn, 'onEof', Action.Close);
    }
    // What else there is nobody here can ask for.
  }

  /**
   * What `call` does, for the callback that is called most.
   * @param {Conn} conn
   * @param {Buffer} data
   */
  #data(conn, data) {
    try {
      const answer = this.#handler.onData?.(conn, data);
      if (answer !== undefined) this.answered(conn, 'onData', answer);
    } catch (error) {
      this.#failed(conn, error);
    }
  }

  /**
   * Calls one callback, if there is one.
   * @template {'onOpen' | 'onData' | 'onDrain' | 'onClose' | 'onStop'} Name
   * @param {Conn | null} conn
   * @param {Name} name
   * @param {Parameters<Required<Handler>[Name]>} args
   */
  call(conn, name, ...args) {
    try {
      const callback = /** @type {undefined | ((...args: unknown[]) => unknown)} */ (this.#handler[name]);
      this.answered(conn, name, callback?.apply(this.#handler, args));
    } catch (error) {
      this.#failed(conn, error);
    }
  }

  /**
   * Does what a callback asks for, now or when its promise is settled.
   * @param {Conn | null} conn
   * @param {string} name
   * @param {unknown} answer
   */
  answered(conn, name, answer) {
    if (!isThenable(answer)) return this.#obey(conn, name, answer);
    Promise.resolve(answer)
      .then((settled) => this.#obey(conn, name, settled))
      .catch((error) => this.#failed(conn, error));
  }

  /**
   * @param {Conn | null} conn
   * @param {string} name
   * @param {unknown} answer
   */
  #obey(conn, name, answer) {
    if (actionOf(name, answer) === Action.Stop) this.#native.stop();
    if (answer === Action.Close && conn) {
      setClosing(conn);
      // It may be closed already; then there is nothing left to do.
      this.#native.close(conn.id.high, conn.id.low);
    }
  }

  /**
   * @param {Conn | null} conn
   * @param {unknown} thrown
   */
  #failed(conn, thrown) {
    if (conn) {
      const peerLeft = !isClosing(conn) && !conn.isOpen;
      setClosing(conn);
      // The peer went while the batch was on its way: the write that noticed is no failure, and onClose follows.
      if (peerLeft && isClosedError(thrown)) return;
      this.#native.fail(conn.id.high, conn.id.low);
    }
    this.#report(asError(thrown), conn);
  }

  /**
   * @param {Error} error
   * @param {Conn | null} conn
   */
  #report(error, conn) {
    /** @param {unknown} second */
    const alsoFailed = (second) => (warn(error), warn(second));
    try {
      if (!this.#handler.onError) return warn(error);
      const answer = this.#handler.onError(error, conn);
      if (isThenable(answer)) Promise.resolve(answer).then(undefined, alsoFailed);
    } catch (second) {
      alsoFailed(second);
    }
  }

  /**
   * Notes that a connection was closed by its id.
   * @param {ConnId} id
   */
  closed(id) {
    const conn = this.#conns.get(id.low);
    if (conn?.id.high === id.high) setClosing(conn);
  }
}

/**
 * An event's bytes, in memory that they share with no other event: the user may detach it, or keep it.
 * @param {Buffer} bytes those of the log, which share theirs with nothing
 * @param {number} first
 * @param {number} second
 * @returns {Buffer}
 */
function ownBytes(bytes, first, second) {
  if (first === 0 && second === bytes.length) return bytes;
  // Slow, because it never takes of Buffer's shared pool; of the ways to memory of its own it is the fastest.
  const own = Buffer.allocUnsafeSlow(second - first);
  bytes.copy(own, 0, first, second);
  return own;
}

/**
 * Whether this is the failure of a write to a closed connection.
 * @param {unknown} thrown
 */
function isClosedError(thrown) {
  try {
    return thrown instanceof ReactorError && thrown.code === 'CLOSED';
  } catch {
    // A proxy whose traps throw.
    return false;
  }
}

/**
 * @param {unknown} value
 * @returns {value is PromiseLike<unknown>}
 */
const isThenable = (value) =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';

/**
 * The action that a callback returned. What `write` returns is none, so that `(conn, data) => conn.write(data)` works.
 * @param {string} name
 * @param {unknown} answer
 * @returns {number}
 */
function actionOf(name, answer) {
  if (answer === undefined || answer === null || typeof answer === 'boolean') return Action.None;
  if (answer === Action.None || answer === Action.Close || answer === Action.Stop) return answer;
  throw new TypeError(`${name} must return an Action or nothing, not ${shown(answer)}`);
}

module.exports = { Dispatcher, actionOf, isThenable };
