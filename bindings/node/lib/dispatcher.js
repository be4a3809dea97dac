'use strict';

const { asError, nowhere, shown } = require('./check.js');
const { ConnId } = require('./conn_id.js');
const { Conn } = require('./conn.js');
const { actionName } = require('./constants.js');
const { saysClosed } = require('./error.js');
const native = require('./addon.js');
const { Scope } = require('./scope.js');
const { Session } = require('./session.js');
const { Slab } = require('./slab.js');
const { warn } = require('./warning.js');

/** @typedef {import('./handler.js').Handler} Handler */
/** @typedef {import('./session.js').Input} Input */

/** How many numbers a record is. */
const WORDS = native.recordWords();
/** @type {Map<string, number>} */
const KINDS = new Map(native.recordKinds().map(({ number, name }) => [name, number]));
const [OPEN, DATA, DRAIN, CLOSE, EOF] = ['open', 'data', 'drain', 'close', 'eof'].map((name) => KINDS.get(name));
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
  /**
   * The connections by the low half of their ids, which no two have at once.
   * @type {Map<number, Entry>}
   */
  #entries = new Map();
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
   */
  constructor(nativeServer, handler) {
    this.#native = nativeServer;
    this.#handler = handler;
  }

  /** The server starts here: the contexts of its connections begin as this one. */
  starts() {
    this.#scope = new Scope();
  }

  /**
   * Calls the callbacks for a log.
   * @param {Uint32Array} words five for each record: kind, high and low half of the connection's id, and two more
   * @param {Buffer} bytes lent by the addon until this returns
   */
  deliver(words, bytes) {
    const slab = new Slab(bytes, bytes.length);
    for (let at = 0; at < words.length; ) {
      const kind = words[at] & KIND;
      const low = words[at + 2];
      const from = at;
      at += WORDS;
      try {
        if (kind === OPEN) this.#entries.set(low, this.#entry(new ConnId(words[at - 4], low)));
        const entry = this.#entries.get(low);
        if (kind === DATA) at = endOfInput(words, from);
        if (!entry) continue;
        if (kind === DATA) entry.session.scope.run(this, this.#inputs, entry, words, from, at, slab);
        else this.#event(kind, entry, words[from + 3], words[from + 4]);
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
   */
  #event(kind, entry, first, second) {
    const { conn, session } = entry;
    if (kind === CLOSE) {
      this.#entries.delete(conn.id.low);
      session.drop();
      const reason = REASONS.get(first) ?? `reason ${first}`;
      this.#call(entry, 'onClose', conn, reason, second === 0 ? null : second);
    } else if (session.isClosing) {
      // The handler is done with it.
    } else if (kind === EOF) {
      if (session.waits) session.keep(null);
      else this.#input(entry, null);
    } else if (kind === OPEN || kind === DRAIN) {
      this.#call(entry, kind === DRAIN ? 'onDrain' : 'onOpen', conn);
    }
    // What else there is nobody here can ask for.
  }

  /**
   * Input of one connection, in its context: the records from one place to another.
   * @param {Entry} entry
   * @param {Uint32Array} words
   * @param {number} from
   * @param {number} to
   * @param {Slab} slab
   */
  #inputs(entry, words, from, to, slab) {
    const { session } = entry;
    for (let at = from; at < to && !session.isClosing; at += WORDS) {
      const data = slab.take(words[at + 3], words[at + 4]);
      if (session.waits) session.keep(data);
      else this.#data(entry, data);
    }
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
   * @param {'onOpen' | 'onDrain' | 'onClose' | 'onStop'} name
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

  /** @param {import('./server.js').Server} server */
  stopped(server) {
    this.#scope.fork().run(this, this.#invoke, null, 'onStop', [server]);
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
      if (!this.#handler.onError) return warn(error, where);
      const answer = this.#handler.onError(error, entry && entry.conn);
      if (isThenable(answer)) Promise.resolve(answer).then(undefined, alsoFailed);
    } catch (second) {
      alsoFailed(second);
    }
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
 * Where the input of a connection ends that begins here.
 * @param {Uint32Array} words
 * @param {number} from
 * @returns {number}
 */
function endOfInput(words, from) {
  const [high, low] = [words[from + 1], words[from + 2]];
  let at = from + WORDS;
  while (at < words.length && words[at + 2] === low && words[at + 1] === high && (words[at] & KIND) === DATA) at += WORDS;
  return at;
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
