'use strict';

const { Callbacks } = require('./callbacks.js');
const { ConnId } = require('./conn_id.js');
const { Conn } = require('./conn.js');
const { Datagram, LENGTH } = require('./datagram.js');
const { Detached } = require('./detached.js');
const { ReactorError, closedError } = require('./error.js');
const native = require('./addon.js');
const { Outbox } = require('./outbox.js');
const { Session } = require('./session.js');
const { Slab } = require('./slab.js');
const { Table } = require('./table.js');
const { CUT, KIND, Walk, WORDS, kind } = require('./walk.js');
const { warn } = require('./warning.js');

/** @typedef {import('./handler.js').Handler} Handler */
/** @typedef {import('./table.js').Entry} Entry */

const [OPEN, DATA, DRAIN, CLOSE, EOF] = ['open', 'data', 'drain', 'close', 'eof'].map(kind);
const [WAKE, STOPPING, COMPLETED, COMMAND, ABOUT] = ['wake', 'stopping', 'completed', 'command', 'about'].map(kind);
const [DATAGRAM, DETACHED] = ['datagram', 'detached'].map(kind);
/**
 * What other threads ask for.
 * @type {Map<number | undefined, 'holdAsked' | 'releaseAsked' | 'pauseAsked' | 'resumeAsked' | 'detachAsked' | 'endedElsewhere'>}
 */
const ASKED = new Map([
  [kind('hold'), 'holdAsked'],
  [kind('release'), 'releaseAsked'],
  [kind('pause'), 'pauseAsked'],
  [kind('resume'), 'resumeAsked'],
  [kind('detach'), 'detachAsked'],
  [kind('ended'), 'endedElsewhere'],
]);
/** Of these a connection may be unknown: nobody tells of an endpoint but by its datagrams. */
const BEGIN = [OPEN, DATAGRAM];
/** What a log may have to lie in memory that is kept: what it takes for so many bytes is small beside them. */
const MOST_RECORDS = 2 << 10;
const MOST_BYTES = 64 << 10;
/** What stands behind the records if writes may be gathered. */
const GATHERED = 1;

/** @type {Map<number, string>} */
const REASONS = new Map(native.closeReasons().map(({ number, name }) => [number, name]));

/** Tells the user's callbacks what the engine has told. It never throws. */
class Dispatcher {
  #native;
  #handler;
  #isInline;
  #table = new Table();
  /** What the callbacks write. */
  #outbox;
  /**
   * What loops are asked to come to, by its token.
   * @type {Map<number, () => unknown>}
   */
  #runs = new Map();
  #lastRun = 0;
  /**
   * One for all connections, which may be very many.
   * @type {import('./session.js').Caller}
   */
  #caller = {
    due: (entry, timer) => this.#due(entry, timer),
    run: (entry, ask, call) => this.run(ask, () => call(entry.conn)),
    failed: (error) => this.callbacks.failed(null, "the framing's function", error),
    catchUp: () => this.isReached && this.#catchUp(),
    written: (session, written, error) => this.#written(session, written, error),
    isTold: ({ high, low }) => this.#isInline || this.#walk?.tells(high, low) === true,
    rest: ({ high, low }) => this.#walk?.takeInput(high, low) ?? [],
  };
  /**
   * What is being delivered.
   * @type {Walk | null}
   */
  #walk = null;

  /**
   * @param {import('./conn.js').NativeServer} nativeServer
   * @param {Handler} handler
   * @param {boolean} isSilent the log is off
   * @param {boolean} isInline nothing is on its way while no callback runs
   */
  constructor(nativeServer, handler, isSilent, isInline) {
    this.#native = nativeServer;
    this.#handler = handler;
    this.#isInline = isInline;
    this.callbacks = new Callbacks(handler, isSilent, () => this.engine);
    /** Other threads may ask for something. */
    this.isReached = false;
    /** Where the addon puts a log that fits. */
    this.memory = { words: new Uint32Array(MOST_RECORDS * WORDS + 1), bytes: Buffer.allocUnsafeSlow(MOST_BYTES) };
    this.#outbox = new Outbox(nativeServer, (high, low) => this.#lost(high, low));
  }

  /** What the engine is asked by: behind what was written before. */
  get engine() {
    this.#outbox.flush();
    return this.#native;
  }

  /**
   * Others have used up the room for what was written: the connection has a gap in what it sends.
   * @param {number} high
   * @param {number} low
   */
  #lost(high, low) {
    const entry = this.#table.find(high, low);
    const message = `connection ${new ConnId(high, low)}: what was written has found no room, which others have taken meanwhile`;
    if (entry) this.callbacks.failed(entry, 'write', new ReactorError('FULL', message));
  }

  /**
   * Calls the callbacks for a log.
   * @param {number} records
   * @param {number} length how many bytes it has
   * @param {Uint32Array} [words] five for each record: kind, high and low half of the connection's id, and two more; behind them
   *   whether writes may be gathered
   * @param {Buffer} [bytes] lent by the addon until this returns
   */
  deliver(records, length, words = this.memory.words, bytes = this.memory.bytes) {
    const end = records * WORDS;
    // Somebody may run Node's event loop in a callback.
    const before = this.#walk;
    this.#walk = new Walk(words, end, new Slab(bytes, length));
    if (words[end] === GATHERED) this.#outbox.open();
    this.#deliver(this.#walk);
    this.#outbox.close();
    this.#walk = before;
  }

  /** @param {Walk} walk */
  #deliver(walk) {
    const { words, end } = walk;
    for (let at = 0; at < end; at = walk.next) {
      const kind = words[at] & KIND;
      walk.next = at + WORDS;
      try {
        const entry = this.#entryOf(kind, words[at + 1], words[at + 2]);
        if (entry && isInput(kind)) entry.session.scope.run(this, this.#inputs, entry, walk, at);
        else if (kind === STOPPING) this.callbacks.ofServer('onStopping');
        // There is such a record for each: so many may come that Node's event loop must get its turn between them.
        else if (ASKED.has(kind)) this.#catchUp(1);
        else if (entry) this.#event(kind, entry, words[at + 3], words[at + 4], walk.slab);
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
    const session = new Session(this.#native, id, this.callbacks.fork(), this.#caller, this.#outbox);
    const entry = { conn: new Conn(session, this.callbacks.server), session };
    session.entry = entry;
    this.#table.place(entry);
    return entry;
  }

  /**
   * Whose a record is.
   * @param {number} kind
   * @param {number} high
   * @param {number} low
   */
  #entryOf(kind, high, low) {
    const known = this.#table.find(high, low);
    if (known) return known;
    const isAsked = kind === WAKE || ASKED.has(kind);
    const begins = BEGIN.includes(kind) || (isAsked && this.#native.isOpen(high, low));
    return begins ? this.#entry(new ConnId(high, low)) : undefined;
  }

  /**
   * @param {number} kind
   * @param {Entry} entry
   * @param {number} first
   * @param {number} second
   * @param {Slab} slab
   */
  #event(kind, entry, first, second, slab) {
    const { conn, session } = entry;
    if (kind === CLOSE) {
      this.#table.remove(entry);
      const reason = REASONS.get(first) ?? `reason ${first}`;
      this.callbacks.tellOf(entry, 'onClose', conn, reason, second === 0 ? null : second);
    } else if (kind === COMPLETED) {
      this.#completed(session, first, second !== 0);
    } else if (kind === ABOUT) {
      session.about = slab.text(first, second);
    } else if (kind === DETACHED) {
      this.#detached(entry);
    } else if (kind === OPEN && !session.isOutgoing) {
      session.endsUnseen ||= session.isClosing;
      this.callbacks.tellOf(entry, 'onOpen', conn);
    } else if (session.isClosing) {
      // The handler is done with it.
    } else if (kind === DATAGRAM) {
      this.#datagram(entry, first, second, slab);
    } else if (kind === EOF) {
      this.#input(entry, null, this.#end);
    } else if (kind === WAKE) {
      session.soon('wake', () => this.callbacks.tellOf(entry, 'onWake', conn));
    } else if (kind === OPEN || kind === DRAIN) {
      this.callbacks.tellOf(entry, kind === DRAIN ? 'onDrain' : 'onOpen', conn);
    }
    // What else there is nobody here can ask for.
  }

  /**
   * Carries out what other threads have asked for until now, in order: they may ask faster than it is done.
   * @param {number} [most] so many calls
   */
  #catchUp(most = Infinity) {
    for (let left = Math.min(this.#native.asked(), most); ; left -= 1) {
      const next = this.#native.nextAsked(left === 0);
      if (!next) return;
      const [kind = 0, high = 0, low = 0] = next;
      const session = this.#entryOf(kind, high, low)?.session;
      const call = ASKED.get(kind);
      try {
        if (session && call) session[call]();
      } catch (error) {
        // Who asked was answered when it was still so.
        if (!(error instanceof ReactorError)) throw error;
      }
    }
  }

  /**
   * Input of a connection goes back to the engine, from a record on.
   * @param {Session} session
   * @param {Walk} walk
   * @param {number} at
   */
  #giveBack(session, walk, at) {
    walk.next = at;
    session.giveRestBack();
    walk.next = at + WORDS;
  }

  /**
   * Input of one connection, in its context: the records from one place on, as long as they are its.
   * @param {Entry} entry
   * @param {Walk} walk
   * @param {number} at
   */
  #inputs(entry, walk, at) {
    const { session } = entry;
    const { words, end } = walk;
    // What was taken out of the log was given back with what came before it: each is looked at once, be they many.
    if (session.givesBack) return walk.isTaken(at) ? undefined : this.#giveBack(session, walk, at);
    const [high, low] = [words[at + 1], words[at + 2]];
    do {
      walk.next = at + WORDS;
      if (session.isClosing || walk.isTaken(at)) continue;
      if ((words[at] & KIND) === COMMAND) this.#commands(entry, walk, at);
      else this.#bytes(entry, walk, at);
    } while ((at += WORDS) < end && words[at + 2] === low && words[at + 1] === high && isInput(words[at] & KIND));
  }

  /**
   * @param {Entry} entry
   * @param {Walk} walk
   * @param {number} at
   */
  #bytes(entry, walk, at) {
    const { words, slab } = walk;
    const data = slab.take(words[at + 3], words[at + 4]);
    const isCut = (words[at] & CUT) !== 0;
    if (entry.session.waits) this.#wait(entry, data, isCut ? this.#frame : this.#raw, isCut ? walk.piece(at) : data);
    else this.#data(entry, data, isCut);
  }

  /**
   * @param {Entry} entry
   * @param {Walk} walk
   * @param {number} at
   */
  #commands(entry, walk, at) {
    const { words, slab } = walk;
    const args = slab.takeArguments(words[at + 3], words[at + 4]);
    if (entry.session.waits) this.#wait(entry, args, this.#command, walk.piece(at));
    else this.#command(entry, args);
  }

  /**
   * @param {Entry} entry
   * @param {number} first
   * @param {number} second
   * @param {Slab} slab
   */
  #datagram(entry, first, second, slab) {
    const { session } = entry;
    session.isEndpoint = !session.isOutgoing;
    const begin = first + LENGTH;
    const datagram = new Datagram(slab.copy(first, begin), second - begin);
    this.#input(entry, slab.take(begin, second), (of, data) => this.#received(of, data, datagram));
  }

  /**
   * @param {Entry} entry
   * @param {Buffer} data
   * @param {Datagram} datagram
   */
  #received(entry, data, datagram) {
    const { session } = entry;
    // A connected socket's writes go to its peer anyway.
    if (session.isEndpoint) session.datagram = datagram;
    if (this.#handler.onDatagram) this.callbacks.invoke(entry, 'onDatagram', [entry.conn, data, datagram]);
    else this.callbacks.invoke(entry, 'onData', [entry.conn, data]);
    session.datagram = null;
  }

  /**
   * Gives the handler input, when it may have some, in the connection's context.
   * @template {import('./waiting.js').Input} Input
   * @param {Entry} entry
   * @param {Input} input
   * @param {(entry: Entry, input: any) => void} give
   */
  #input(entry, input, give) {
    const { session } = entry;
    if (session.waits) this.#wait(entry, input, give);
    else session.scope.run(this, give, entry, input);
  }

  /**
   * Gives the handler input when it may have some.
   * @param {Entry} entry
   * @param {import('./waiting.js').Input} input
   * @param {(entry: Entry, input: any) => void} give
   * @param {Buffer} [piece] what it takes in the stream
   */
  #wait(entry, input, give, piece) {
    const { session } = entry;
    session.keepWaiting(input, (waited) => session.scope.run(this, give, entry, waited), piece);
  }

  /**
   * @param {Entry} entry
   * @param {Buffer} data
   */
  #raw(entry, data) {
    this.#data(entry, data, false);
  }

  /**
   * @param {Entry} entry
   * @param {Buffer} data
   */
  #frame(entry, data) {
    this.#data(entry, data, true);
  }

  /**
   * What {@link Callbacks.invoke} does, for the callback that is called most.
   * @param {Entry} entry
   * @param {Buffer} data
   * @param {boolean} isCut
   */
  #data(entry, data, isCut) {
    const { session } = entry;
    session.begin(data, isCut);
    try {
      const answer = this.#handler.onData?.(entry.conn, data);
      if (answer !== undefined) this.callbacks.answered(entry, 'onData', answer);
    } catch (error) {
      this.callbacks.failed(entry, 'onData', error);
    }
    session.finish();
  }

  /**
   * @param {Entry} entry
   * @param {Buffer[]} args
   */
  #command(entry, args) {
    const { session } = entry;
    session.begin(args, true);
    try {
      const answer = this.#handler.onCommand?.(entry.conn, args);
      if (answer !== undefined) this.callbacks.answered(entry, 'onCommand', answer);
    } catch (error) {
      this.callbacks.failed(entry, 'onCommand', error);
    }
    session.finish();
  }

  /**
   * The peer has ended its side. A handler that does not want to know is done with the connection.
   * @param {Entry} entry
   */
  #end(entry) {
    if (this.#handler.onEof) this.callbacks.invoke(entry, 'onEof', [entry.conn]);
    else entry.session.closeIfOpen();
  }

  /**
   * A timer of a connection is due.
   * @param {Entry} entry
   * @param {import('./timer.js').Timer} timer
   */
  #due(entry, timer) {
    const { conn, session } = entry;
    if (!session.isClosing) session.soon(timer, () => this.callbacks.tellOf(entry, 'onTimer', conn, timer));
  }

  /**
   * A write with a callback has come to its end.
   * @param {Session} session
   * @param {number} token
   * @param {boolean} isCancelled
   */
  #completed(session, token, isCancelled) {
    const written = session.takeWritten(token);
    if (written) this.#written(session, written, isCancelled ? closedError(session.id) : null);
  }

  /**
   * @param {Session} session
   * @param {import('./session.js').Written} written
   * @param {ReactorError | null} error
   */
  #written(session, written, error) {
    session.scope.run(this.callbacks, this.callbacks.call, 'the callback of a write', /** @type {any} */ (written), error);
  }

  /**
   * A connection was taken out of the engine.
   * @param {Entry} entry
   */
  #detached(entry) {
    const { id } = entry.session;
    const taken = native.takeDetached(id.high, id.low);
    this.#table.remove(entry);
    if (taken) void entry.session.scope.run(this, this.#handOut, entry, new Detached(taken));
  }

  /**
   * @param {Entry} entry
   * @param {Detached} detached
   */
  async #handOut(entry, detached) {
    try {
      this.callbacks.obey(entry, 'onDetach', await this.#handler.onDetach?.(entry.conn, detached));
    } catch (error) {
      this.callbacks.failed(entry, 'onDetach', error);
    }
    detached.end();
  }

  stopped() {
    this.#runs.clear();
    this.#table.clear();
    this.callbacks.ofServer('onStop');
  }

  /**
   * Asks the engine to come back to something.
   * @param {(token: number) => import('../types/native.js').Failure | null} ask
   * @param {() => unknown} call
   */
  run(ask, call) {
    this.#lastRun = (this.#lastRun + 1) >>> 0;
    const failure = ask(this.#lastRun);
    if (!failure) this.#runs.set(this.#lastRun, call);
    return failure;
  }

  /** @param {number} token */
  ran(token) {
    const call = this.#runs.get(token);
    this.#runs.delete(token);
    if (call) this.callbacks.fork().run(this.callbacks, this.callbacks.call, 'a function that was run', call, undefined);
  }

  /**
   * An id from its halves: of a connection that is known, always the same object.
   * @param {number} high
   * @param {number} low
   */
  id(high, low) {
    return this.#table.find(high, low)?.conn.id ?? new ConnId(high, low);
  }

  /**
   * Endpoints that are gone: nobody else tells of their end.
   * @param {ConnId[]} ids
   */
  forget(ids) {
    for (const { high, low } of ids) {
      const entry = this.#table.find(high, low);
      if (entry) this.#table.remove(entry);
    }
  }

  /**
   * A connection that this side has made. The engine can tell of it only when this thread is done.
   * @param {number} high
   * @param {number} low
   */
  made(high, low) {
    const { conn, session } = this.#entry(new ConnId(high, low));
    session.isOutgoing = true;
    return conn;
  }

  /**
   * The connection with this id, unless it is gone. One that the engine has and has not told of yet is made.
   * @param {ConnId} id
   * @returns {Conn | undefined}
   */
  conn(id) {
    const known = this.#table.find(id.high, id.low);
    if (known) return known.conn;
    return this.#native.isOpen(id.high, id.low) ? this.#entry(id).conn : undefined;
  }
}

/** @param {number} kind */
const isInput = (kind) => kind === DATA || kind === COMMAND;

module.exports = { Dispatcher };
