'use strict';

const { asError, framesOf, messageOf, nowhere, shown } = require('./check.js');
const { ConnId } = require('./conn_id.js');
const { Conn } = require('./conn.js');
const { actionName } = require('./constants.js');
const { saysClosed } = require('./error.js');
const native = require('./addon.js');
const { Scope } = require('./scope.js');
const { Session } = require('./session.js');
const { nextTick } = require('./timer.js');
const { tell, warn } = require('./warning.js');

/** @typedef {import('./handler.js').Handler} Handler */
/** @typedef {import('./handler.js').LogLevel} LogLevel */
/** @typedef {import('./server.js').Server} Server */
/** @typedef {import('./session.js').Input} Input */

/** How many numbers a record is. */
const WORDS = native.recordWords();
/** @type {Map<string, number>} */
const KINDS = new Map(native.recordKinds().map(({ number, name }) => [name, number]));
const [OPEN, DATA, DRAIN, CLOSE, EOF, STOPPING] = ['open', 'data', 'drain', 'close', 'eof', 'stopping'].map((name) =>
  KINDS.get(name),
);
/** The kind's part of a record's first number; the rest are flags. */
const KIND = 0xffff;

/** @type {Map<number, string>} */
const REASONS = new Map(native.closeReasons().map(({ number, name }) => [number, name]));

/**
 * A connection, and what the package keeps of it.
 * @typedef {{ conn: Conn, session: Session }} Entry
 */

/** Calls the user's callbacks, does what they answer, and reports those that fail. It never throws. */
class Dispatcher {
  #native;
  #handler;
  #isSilent;
  /**
   * The connections by the low half of their ids, which no two have at once.
   * @type {Map<number, Entry>}
   */
  #entries = new Map();
  /** @type {Server | undefined} */
  #server;
  /** The context that those of connections begin as. */
  #scope = new Scope();
  /**
   * Callbacks and types of what they returned, where that was no action: each is reported once.
   * @type {Set<string>}
   */
  #strays = new Set();

  /**
   * @param {import('./conn.js').NativeServer} nativeServer
   * @param {Handler} handler
   * @param {boolean} isSilent the log is off
   */
  constructor(nativeServer, handler, isSilent) {
    this.#native = nativeServer;
    this.#handler = handler;
    this.#isSilent = isSilent;
  }

  /**
   * The server starts here: the contexts of its connections begin as this one.
   * @param {Server} server
   */
  starts(server) {
    this.#server = server;
    this.#scope = new Scope();
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
      try {
        if (kind === OPEN) this.#entries.set(low, this.#entry(new ConnId(words[at + 1], low)));
        const entry = this.#entries.get(low);
        if (kind === STOPPING) this.#ofServer('onStopping');
        if (entry) this.#event(kind, entry, words[at + 3], words[at + 4], bytes);
      } catch (error) {
        // The events that follow belong to others.
        warn(error);
      }
    }
  }

  /**
   * @param {ConnId} id
   * @returns {Entry}
   */
  #entry(id) {
    const give = (/** @type {Input} */ input) => this.#input(entry, input);
    const session = new Session(this.#native, id, this.#scope.fork(), give);
    const entry = { conn: new Conn(session), session };
    return entry;
  }

  /**
   * @param {number} kind
   * @param {Entry} entry
   * @param {number} first
   * @param {number} second
   * @param {Buffer} bytes
   */
  #event(kind, entry, first, second, bytes) {
    const { conn, session } = entry;
    if (kind === CLOSE) {
      this.#entries.delete(conn.id.low);
      session.drop();
      const reason = REASONS.get(first) ?? `reason ${first}`;
      this.#call(entry, 'onClose', conn, reason, second === 0 ? null : second);
    } else if (session.isClosing) {
      // The handler is done with it.
    } else if (kind === DATA || kind === EOF) {
      const input = kind === DATA ? ownBytes(bytes, first, second) : null;
      if (session.waits) session.keep(input);
      else this.#input(entry, input);
    } else if (kind === OPEN || kind === DRAIN) {
      this.#call(entry, kind === DRAIN ? 'onDrain' : 'onOpen', conn);
    }
    // What else there is nobody here can ask for.
  }

  /**
   * @param {Entry} entry
   * @param {Input} input
   */
  #input(entry, input) {
    if (input) return entry.session.scope.run(this, this.#data, entry, input);
    // Nobody here can end one side, so the connection is over.
    entry.session.closeIfOpen();
  }

  /**
   * What `#invoke` does, for the callback that is called most.
   * @param {Entry} entry
   * @param {Buffer} data
   */
  #data(entry, data) {
    try {
      const answer = this.#handler.onData?.(entry.conn, data);
      if (answer !== undefined) this.#answered(entry, 'onData', answer);
    } catch (error) {
      this.#failed(entry, 'onData', error);
    }
  }

  /**
   * Calls one callback of a connection, in its context.
   * @param {Entry} entry
   * @param {'onOpen' | 'onDrain' | 'onClose'} name
   * @param {unknown[]} args
   */
  #call(entry, name, ...args) {
    entry.session.scope.run(this, this.#invoke, entry, name, args);
  }

  /**
   * Calls one callback, if there is one.
   * @param {Entry | null} entry
   * @param {'onOpen' | 'onDrain' | 'onClose' | 'onStopping' | 'onStop'} name
   * @param {unknown[]} args
   */
  #invoke(entry, name, args) {
    try {
      const callback = /** @type {undefined | ((...args: unknown[]) => unknown)} */ (this.#handler[name]);
      this.#answered(entry, name, callback?.apply(this.#handler, args));
    } catch (error) {
      this.#failed(entry, name, error);
    }
  }

  stopped() {
    this.#ofServer('onStop');
  }

  /** @param {'onStopping' | 'onStop'} name */
  #ofServer(name) {
    this.#scope.fork().run(this, this.#invoke, null, name, [this.#server]);
  }

  /**
   * Calls onTick.
   * @returns {Promise<{ answer?: number | null }>} milliseconds to the next; nothing if it has failed
   */
  async tick() {
    try {
      const server = /** @type {Server} */ (this.#server);
      return { answer: nextTick(await this.#scope.fork().run(this.#handler, () => this.#handler.onTick?.(server))) };
    } catch (error) {
      this.#failed(null, 'onTick', error);
      return {};
    }
  }

  /**
   * Calls a function of the user's that concerns no connection.
   * @template Given
   * @param {string} name
   * @param {(given: Given) => unknown} callback
   * @param {Given} given
   */
  call(name, callback, given) {
    try {
      const answer = callback(given);
      if (isThenable(answer)) Promise.resolve(answer).catch((error) => this.#failed(null, name, error)).catch(warn);
    } catch (error) {
      this.#failed(null, name, error);
    }
  }

  /**
   * The engine says something.
   * @param {string} level
   * @param {string} message
   */
  told(level, message) {
    if (this.#handler.onLog) this.#log(/** @type {LogLevel} */ (level), message);
    else tell(message, 'REACTOR_ENGINE');
  }

  /**
   * @param {LogLevel} level
   * @param {string} message
   */
  #log(level, message) {
    if (this.#isSilent) return;
    this.call('onLog', () => this.#handler.onLog?.(level, message), undefined);
  }

  /**
   * Takes what onStart returned; says whether it refuses the start.
   * @param {unknown} answer
   * @returns {boolean}
   */
  refusesStart(answer) {
    if (actionName(answer) === 'Stop') return true;
    this.#answered(null, 'onStart', answer);
    return false;
  }

  /**
   * Does what a callback asks for, now or when its promise has ended, which holds its connection.
   * @param {Entry | null} entry
   * @param {string} name
   * @param {unknown} answer
   */
  #answered(entry, name, answer) {
    if (!isThenable(answer)) return this.#obey(entry, name, answer);
    const session = entry?.session;
    const held = session?.runs() ?? false;
    Promise.resolve(answer)
      .then((settled) => this.#obey(entry, name, settled))
      .catch((error) => this.#failed(entry, name, error))
      .then(() => session?.ran(held))
      .catch(warn);
  }

  /**
   * @param {Entry | null} entry
   * @param {string} name
   * @param {unknown} answer
   */
  #obey(entry, name, answer) {
    if (answer === undefined || answer === null) return;
    const action = actionName(answer);
    if (action === 'Stop') this.#native.stop();
    else if (action === 'Close') entry?.session.closeIfOpen();
    else if (action !== 'None') this.#strayed(entry, name, answer);
  }

  /**
   * A callback returned what is no action.
   * @param {Entry | null} entry
   * @param {string} name
   * @param {unknown} answer
   */
  #strayed(entry, name, answer) {
    const kind = `${name} ${typeof answer}`;
    if (this.#strays.has(kind)) return;
    this.#strays.add(kind);
    const error = new TypeError(`${name} must return an Action or nothing, not ${shown(answer)}`);
    this.#report(nowhere(error), entry, name);
  }

  /**
   * @param {Entry | null} entry
   * @param {string} name
   * @param {unknown} thrown
   */
  #failed(entry, name, thrown) {
    if (entry) {
      const { session } = entry;
      const peerLeft = !session.isClosing && !session.isOpen;
      if (peerLeft && saysClosed(thrown, session.id)) {
        // The peer went while the batch was on its way: the write that noticed is no failure, and onClose follows.
        session.isClosing = true;
        return;
      }
      session.fail();
    }
    this.#report(asError(thrown), entry, name);
  }

  /**
   * @param {Error} error
   * @param {Entry | null} entry
   * @param {string} name
   */
  #report(error, entry, name) {
    const where = entry ? `    in ${name} of connection ${entry.session.id}` : `    in ${name}`;
    /** @param {unknown} second */
    const alsoFailed = (second) => (warn(error, where), warn(second, '    in onError'));
    try {
      if (!this.#handler.onError) return this.#tell(error, where);
      const answer = this.#handler.onError(error, entry && entry.conn);
      if (isThenable(answer)) Promise.resolve(answer).then(undefined, alsoFailed);
    } catch (second) {
      alsoFailed(second);
    }
  }

  /**
   * Reports a failure where the user has no hook for it.
   * @param {Error} error
   * @param {string} where
   */
  #tell(error, where) {
    // One of the log's own would come back here.
    if (!this.#handler.onLog || where.endsWith('in onLog')) return warn(error, where);
    this.#log('error', [messageOf(error), where, framesOf(error)].filter(Boolean).join('\n'));
  }

  /**
   * An id from its halves: of a connection that is known, always the same object.
   * @param {number} high
   * @param {number} low
   */
  id(high, low) {
    const known = this.#entries.get(low)?.conn.id;
    return known?.high === high ? known : new ConnId(high, low);
  }

  /**
   * The open connection with this id.
   * @param {ConnId} id
   * @returns {Session | undefined}
   */
  session(id) {
    const session = this.#entries.get(id.low)?.session;
    return session?.id.high === id.high ? session : undefined;
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
 * @param {unknown} value
 * @returns {value is PromiseLike<unknown>}
 */
function isThenable(value) {
  try {
    return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
  } catch {
    // A proxy whose traps throw.
    return false;
  }
}

module.exports = { Dispatcher };
