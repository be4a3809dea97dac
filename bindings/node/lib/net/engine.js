// The engine that all servers and sockets of a thread share.
'use strict';

const { AsyncResource } = require('node:async_hooks');

const { rethrow } = require('./closing.js');
const { UNSCOPED } = require('../scope.js');
const { Server } = require('../server.js');

/** No limit of the engine's: a stream has its own mark, and one write at a time. */
const ENDLESS = Number.MAX_SAFE_INTEGER;
/** @type {import('../options.js').Options} */
const OPTIONS = {
  loops: 1,
  highWater: ENDLESS,
  lowWater: ENDLESS - 1,
  hardLimit: ENDLESS,
  byteBudget: null,
  // A socket that is destroyed waits for nobody, as Node's.
  lingerMs: null,
};

/** The engine belongs to nobody who happens to be the first to use it. */
const ROOT = new AsyncResource('ReactorNet');

/** @typedef {'inline' | 'threads'} Mode */

/** @type {Mode | undefined} */
let mode;
/** @type {Engine | undefined} */
let engine;

/** One engine, and who keeps the process alive for it. */
class Engine {
  /** What keeps the process alive: what is open and was not told otherwise. */
  #kept = 0;
  /** The process exits. */
  #isOver = false;
  /**
   * Who is told of a listener's connections, by its number.
   * @type {Map<number, (conn: import('../conn.js').Conn) => void>}
   */
  listeners = new Map();

  /** @param {Mode} driven */
  constructor(driven) {
    this.server = new Server(this.#handler(), { ...OPTIONS, mode: driven });
    this.server.unref();
    this.server.start().catch(() => {});
    process.on('exit', () => this.#flush());
  }

  /** What was written leaves, as it would have left with node:net; of what comes nobody is told any more. */
  #flush() {
    this.#isOver = true;
    this.server.sendNow();
  }

  /** Whether it runs: there are programs without libuv. */
  get runs() {
    return this.server.loops > 0;
  }

  /** Every connection is a handle's, which has the methods that are called here; those that come in become one. */
  #handler() {
    return {
      // Each handle has a context of its own, that of who made it.
      [UNSCOPED]: true,
      onOpen: (/** @type {any} */ conn) => {
        if (this.#isOver) return;
        if (conn.data) conn.data.opened();
        // The server was closed meanwhile: it had not accepted it.
        else if (!this.#accept(conn)) conn.abort();
      },
      onData: (/** @type {any} */ conn, /** @type {Buffer} */ data) => {
        if (!this.#isOver) conn.data.received(data);
      },
      onEof: (/** @type {any} */ conn) => {
        if (!this.#isOver) conn.data.ended();
      },
      onClose: (/** @type {any} */ conn, /** @type {string} */ reason, /** @type {number | null} */ errno) => {
        if (this.#isOver) return;
        // The peer was gone before it could be accepted, which throws in `onOpen`: it had connected all the same.
        if (!conn.data) this.#accept(conn);
        conn.data?.closed(reason, errno ?? 0);
      },
      onError: rethrow,
    };
  }

  /** @param {any} conn that has come in */
  #accept(conn) {
    const accepted = this.listeners.get(conn.info().listener);
    accepted?.(conn);
    return accepted !== undefined;
  }

  keep() {
    this.#kept += 1;
    if (this.#kept === 1) this.server.ref();
  }

  letGo() {
    this.#kept -= 1;
    if (this.#kept === 0) this.server.unref();
  }
}

/** The engine of this thread, which runs from its first use on. */
function theEngine() {
  engine ??= ROOT.runInAsyncScope(start, undefined, mode);
  return engine;
}

/** @param {Mode | undefined} asked */
function start(asked) {
  if (asked) return running(new Engine(asked));
  // Bun refuses at once, and what else has no libuv does when it is started.
  const inline = attempt();
  return inline?.runs ? inline : running(new Engine('threads'));
}

/** An engine inline, if it can be. */
function attempt() {
  try {
    return new Engine('inline');
  } catch (error) {
    if (/** @type {any} */ (error)?.code === 'UNSUPPORTED') return undefined;
    throw error;
  }
}

/** @param {Engine} started */
function running(started) {
  if (started.runs) return started;
  throw new Error('the engine of reactor-engine/net cannot be started: the system refuses it threads, memory or descriptors');
}

/**
 * Who drives the engine of this thread: Node's own event loop, or a thread beside it.
 * @param {Mode} wanted
 */
function setEngineMode(wanted) {
  if (wanted !== 'inline' && wanted !== 'threads') {
    throw new TypeError(`the mode must be 'inline' or 'threads', not ${String(wanted)}`);
  }
  if (engine) throw new Error('the engine of this thread runs already: setEngineMode comes before the first server and socket');
  mode = wanted;
}

module.exports = { setEngineMode, theEngine };
