'use strict';

const { bytesOf, messageOf, optionsOf, shown, wholeNumber, wrongType } = require('./check.js');
const { connId } = require('./conn_id.js');
const { Dispatcher } = require('./dispatcher.js');
const { ReactorError, closedError, errorOf } = require('./error.js');
const { checkedHandler } = require('./handler.js');
const native = require('./addon.js');
const { Relief } = require('./relief.js');
const { Unstarted } = require('./unstarted.js');
const { tell } = require('./warning.js');

/** @typedef {import('./handler.js').Handler} Handler */
/** @typedef {import('./conn_id.js').ConnId} ConnId */

/**
 * The options of a server. Zero or absent means the default.
 * @typedef {object} Options
 * @property {'threads' | 'inline'} [mode] Who drives the event loops. `'threads'`: threads of their own, which accept, read, cut
 *   frames and send while JavaScript does something else; the callbacks run on the thread that made the server. `'inline'`: Node's
 *   own event loop drives one loop, on the thread that made the server, without any other thread: a message costs less
 *   altogether, but all of it is this thread's time. For more than one processor each `worker_threads` Worker has
 *   a server of its own, at one port with `reuseport=true`. Default: `'threads'`.
 * @property {number} [loops] Event loops, each on a thread of its own; inline there is one. Default: one per processor this
 *   process may use.
 * @property {number} [highWater] Bytes of unsent output above which a connection is no longer read. Default: 1 MiB.
 * @property {number} [lowWater] Bytes of unsent output at which `onDrain` is called and reading resumes. Default: half
 *   the high-water mark.
 * @property {number} [hardLimit] Bytes of unsent output that a connection may hold at most; a write beyond it throws
 *   `FULL`, and closes the connection with `overflow`. Default: 64 MiB.
 * @property {boolean} [keepOnOverflow] Whether a connection goes on when a write beyond its `hardLimit` was refused.
 *   Default: false.
 * @property {number} [byteBudget] Bytes of memory that the whole server may hold for unsent output and unfinished input. A
 *   write that would go beyond it throws `FULL` and closes nothing, unless its connection holds no more than a share with it:
 *   half of the budget divided by the number of connections that hold something. Above the budget, of those who hold more
 *   than a share the one that moved the fewest bytes per byte held in the last 5 seconds is closed with `overflow`, and so
 *   on. Default: a quarter of the memory that this process may use.
 * @property {number} [readBudget] Bytes read from one connection in one turn, at most 1 GiB. Default: 256 KiB.
 * @property {number} [lingerMs] Milliseconds that a connection closed by this side waits for the peer to close too.
 *   Default: 2000.
 * @property {number} [stallLimitMs] Milliseconds that a connection that is being closed, or whose peer has ended its side,
 *   waits for a peer that takes nothing of what is queued, at most an hour. Bytes that leave the kernel's queue count as
 *   taken. Then it is reset, with `time-out`. Default: 30,000.
 * @property {'adaptive' | 'never'} [look] Whether a busy loop polls for a moment before it sleeps, where trials show that it
 *   brings the loop more work. Default: 'adaptive'.
 */

const SAFE = Number.MAX_SAFE_INTEGER;
/** The numbers of actions, as the addon has them. */
const [NONE, STOP] = ['none', 'stop'].map((name) => native.actions().indexOf(name));
/** @type {readonly string[]} */
const MODES = ['threads', 'inline'];
/** The options and their greatest values. */
const OPTIONS = {
  loops: SAFE,
  highWater: SAFE,
  lowWater: SAFE,
  hardLimit: SAFE,
  byteBudget: SAFE,
  readBudget: 2 ** 30,
  lingerMs: 2 ** 31,
  stallLimitMs: 2 ** 31,
};

/**
 * A server and its event loops. The loops run on threads of their own; the callbacks run here, on the thread that made
 * the server. While it runs it keeps the process alive. The loops take none of the process's signals, and what a callback
 * spawns is spawned by the JavaScript thread, with that thread's signal mask.
 */
class Server {
  #native;
  #handler;
  #dispatcher;
  #relief = new Relief();
  #unstarted = new Unstarted();
  /** @type {'new' | 'starting' | 'running' | 'over'} */
  #state = 'new';
  #stopAsked = false;
  #keepsAlive = true;
  /** @type {() => void} */
  #resolveEnded = () => {};
  /** @type {Promise<void>} */
  #ended = new Promise((resolve) => {
    this.#resolveEnded = resolve;
  });

  /**
   * A server that is not started and listens nowhere.
   * @param {Handler} handler
   * @param {Options} [options]
   * @throws {ReactorError} `INVALID_ARGUMENT` for options out of range or unknown, and for a method of the handler that is
   *   named like a callback and is none; `SYSTEM` when descriptors have run out
   */
  constructor(handler, options) {
    this.#handler = checkedHandler(handler);
    this.#native = createServer(options);
    this.#dispatcher = new Dispatcher(this.#native, this.#handler);
  }

  /**
   * Binds and listens at `[scheme://]address[?option=value&…]`, for example `tcp://:5000` or `unix:///run/echo.sock`. A
   * host name is looked up, which may block.
   *
   * Options: `reuseport=BOOL`, `backlog=N`, `nodelay=BOOL`, `keepalive=BOOL|IDLE[,INTERVAL[,COUNT]]` in seconds, `rcvbuf=N`
   * and `sndbuf=N` in bytes, `device=NAME`, `ipv6only=BOOL`, `mode=OCTAL` of a Unix socket's path, `shared=BOOL` (other
   * processes accept from the socket, too, so that a stop does not end the listening), for UDP `datagram=N` in bytes,
   * `broadcast=BOOL` and `join=GROUP[@INTERFACE]`; and of each connection the time-outs `idle=MS`, `read=MS` and `write=MS`, in
   * milliseconds, `half_open=BOOL`, `framing=FRAMING`. BOOL is `true` or `false`. FRAMING is `line`, `fixed:LENGTH`,
   * `delimiter:BYTES` (any byte as % and two hexadecimal digits: `delimiter:%0D%0A`) or `length:WIDTH` (1, 2, 3, 4, 8 or
   * `varint`); behind it, after commas, `max_frame=N`; of lines and delimiters `keep_delimiter=BOOL`,
   * `deliver_rest=BOOL`, and of delimiters `or=BYTES` for each further one; of a length field `order=big|little`, `offset=N`,
   * `adjustment=N`, `strip=N|header`. With a framing each `onData` has one whole frame. The engine's framing
   * `resp` is refused here.
   * @param {string} url
   * @returns {string} the address really bound, as a URL without the options
   * @throws {ReactorError} `INVALID_ADDRESS`, which quotes the URL and says what options there are, or what form one has;
   *   `ADDRESS_IN_USE` or `SYSTEM` with the system's reason;
   *   `WRONG_STATE` once the server stops. The server can listen again.
   */
  listen(url) {
    if (typeof url !== 'string') throw wrongType('url', 'a string', url);
    const bound = this.#native.listen(url);
    if (typeof bound !== 'string') throw errorOf(bound);
    if (this.#state === 'new') this.#unstarted.listens(bound);
    return bound;
  }

  /**
   * Calls `onStart` at once, then starts the loops. A server can be started once.
   * @returns {Promise<void>} resolves when the server runs. Rejects with a {@link ReactorError}: `WRONG_STATE` if it was
   *   started before, `STOPPED` if `onStart` returned stop or stop was called before, `HANDLER_FAILED` if `onStart` threw,
   *   `SYSTEM` when threads, memory or descriptors have run out
   */
  async start() {
    /** @type {{ cause?: unknown }} */
    const thrown = {};
    const before = this.#state;
    this.#unstarted.end();
    if (before === 'new') this.#dispatcher.starts();
    const failure = this.#native.start(
      () => this.#callOnStart(thrown),
      (words, bytes, told) => (told ? tell(told, 'REACTOR_ENGINE') : this.#deliver(words, bytes)),
    );
    if (!failure) {
      this.#state = 'running';
      if (!this.#keepsAlive) this.#native.setRef(false);
      return;
    }
    this.#state = before;
    this.#releaseIfStopped();
    throw new ReactorError(failure.code, failure.message, { errno: failure.errno, ...thrown });
  }

  /**
   * Starts, and waits until the server has stopped. Meanwhile SIGINT (Ctrl-C) stops the server cleanly instead of ending
   * the process.
   * @param {{ handleSignals?: boolean }} [options] `handleSignals: false` leaves SIGINT alone
   * @returns {Promise<void>} rejects as {@link start} does
   */
  async run(options) {
    const { handleSignals = true } = optionsOf(options, 'options', ['handleSignals']);
    if (typeof handleSignals !== 'boolean') throw wrongType('handleSignals', 'a boolean', handleSignals);
    const stop = () => void this.stop();
    if (handleSignals) process.on('SIGINT', stop);
    try {
      await this.start();
      await this.wait();
    } finally {
      process.off('SIGINT', stop);
    }
  }

  /**
   * @returns {Promise<void>} resolves when the server has stopped, its threads have ended and `onStop` has returned. Rejects
   *   with `WRONG_STATE` if it was not started
   */
  async wait() {
    if (this.#state === 'running' || this.#state === 'over') return this.#ended;
    throw new ReactorError('WRONG_STATE', 'cannot wait: the server is not started');
  }

  /**
   * Asks the server to stop, at once: each connection gets one more attempt to send what is queued, and is closed with
   * `shutdown`. May be repeated, and may come before the start, which is then refused.
   * @returns {Promise<void>} resolves when it has stopped, like {@link wait}; at once if it does not run
   */
  async stop() {
    this.#native.stop();
    this.#stopAsked = true;
    this.#unstarted.end();
    if (this.#state === 'running') return this.#ended;
    this.#releaseIfStopped();
  }

  /**
   * Keeps the process, or the Worker, alive while the server runs, as it does unless {@link unref} was called.
   * @returns {this}
   */
  ref() {
    return this.#setRef(true);
  }

  /**
   * Lets the process, or the Worker, end while the server runs, if nothing else keeps it alive. May come before the start.
   * @returns {this}
   */
  unref() {
    return this.#setRef(false);
  }

  /** @param {boolean} keepsAlive */
  #setRef(keepsAlive) {
    this.#keepsAlive = keepsAlive;
    if (this.#state === 'running') this.#native.setRef(keepsAlive);
    return this;
  }

  /** A server that will never run gives its listeners back. */
  #releaseIfStopped() {
    if (this.#stopAsked && this.#state === 'new') this.#native.release();
  }

  /**
   * Queues a copy of the bytes for a connection, as {@link Conn.write} does.
   * @param {ConnId} id
   * @param {Uint8Array | string} data
   * @returns {boolean} false above the high-water mark
   * @throws {ReactorError} `CLOSED` or `FULL`
   */
  write(id, data) {
    return this.#session(id).write(bytesOf(data));
  }

  /**
   * Closes a connection, as {@link Conn.close} does.
   * @param {ConnId} id
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is closed or closing already
   */
  close(id) {
    this.#session(id).close();
  }

  /**
   * Holds a connection, as {@link Conn.hold} does.
   * @param {ConnId} id
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is closed or closing
   */
  hold(id) {
    this.#session(id).hold();
  }

  /**
   * Takes a hold back, as {@link Conn.release} does.
   * @param {ConnId} id
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is closed or closing, `WRONG_STATE` if it is not held
   */
  release(id) {
    this.#session(id).release();
  }

  /** @param {ConnId} id */
  #session(id) {
    const session = this.#dispatcher.session(connId(id));
    if (session) return session;
    throw closedError(id);
  }

  /** The addresses really bound, as URLs without options, in the order of the `listen` calls. */
  get addresses() {
    return this.#native.addresses;
  }

  /** The number of event loops; 0 before the start. */
  get loops() {
    return this.#native.loops;
  }

  /** Connections that are open, those being closed included. */
  get connections() {
    return this.#native.connections;
  }

  /** Bytes written to connections and not yet taken by the kernel. Walks over all connections. */
  get queuedBytes() {
    return this.#native.queuedBytes;
  }

  /**
   * @param {{ cause?: unknown }} thrown takes what onStart throws
   * @returns {number | string} the action, or the text of the failure
   */
  #callOnStart(thrown) {
    this.#state = 'starting';
    try {
      return this.#dispatcher.refusesStart(this.#handler.onStart?.(this)) ? STOP : NONE;
    } catch (error) {
      thrown.cause = error;
      return messageOf(error);
    }
  }

  /**
   * @param {Uint32Array} words
   * @param {Buffer} bytes
   */
  #deliver(words, bytes) {
    if (words.length > 0) {
      this.#dispatcher.deliver(words, bytes);
      return this.#relief.moved(bytes.length + this.#native.takeWritten());
    }
    this.#relief.end();
    this.#native.release();
    this.#state = 'over';
    this.#dispatcher.stopped(this);
    this.#resolveEnded();
  }
}

/**
 * Whether Node's event loop is to drive the server.
 * @param {Options} options
 */
function isInline({ mode = 'threads', loops = 0 }) {
  if (typeof mode !== 'string') throw wrongType('mode', 'a string', mode);
  if (!MODES.includes(mode)) {
    const known = MODES.map(shown).join(' or ');
    throw new ReactorError('INVALID_ARGUMENT', `mode must be ${known}, not ${shown(mode)}`);
  }
  if (mode === 'threads') return false;
  if (loops > 1) {
    throw new ReactorError('INVALID_ARGUMENT', `a server of mode 'inline' has one loop, not ${loops}`);
  }
  if (process.versions['bun'] === undefined) return true;
  // What it exports by libuv's names ends the process.
  throw new ReactorError('UNSUPPORTED', "mode 'inline' needs libuv, which Bun has not: use mode 'threads'");
}

/**
 * @param {Options | undefined} options
 * @returns {import('./conn.js').NativeServer}
 */
function createServer(options) {
  const given = optionsOf(options, 'options', [...Object.keys(OPTIONS), 'mode', 'look', 'keepOnOverflow']);
  const checked = Object.entries(OPTIONS).map(([name, most]) => [name, wholeNumber(given[name], name, most)]);
  const { look = 'adaptive', keepOnOverflow = false } = given;
  if (typeof look !== 'string') throw wrongType('look', 'a string', look);
  if (typeof keepOnOverflow !== 'boolean') throw wrongType('keepOnOverflow', 'a boolean', keepOnOverflow);
  const inline = isInline(given);
  const loops = inline ? { loops: 1 } : {};
  const server = native.createServer({ ...Object.fromEntries(checked), ...loops, look, keepOnOverflow }, inline);
  if ('code' in server) throw errorOf(server);
  return Object.assign(server, server.calls());
}

module.exports = { Server };
