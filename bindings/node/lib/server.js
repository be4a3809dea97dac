'use strict';

const { inspect } = require('node:util');

const { ById } = require('./by_id.js');
const { callbackOf, messageOf, optionsOf, required, wholeNumber, wrongType } = require('./check.js');
const { connId } = require('./conn_id.js');
const { Dispatcher } = require('./dispatcher.js');
const { ReactorError, closedError, errorOf } = require('./error.js');
const { checkedHandler } = require('./handler.js');
const { inspected } = require('./inspected.js');
const native = require('./addon.js');
const { metricsOf } = require('./metrics.js');
const { boolean, checkedOptions } = require('./options.js');
const { Relief } = require('./relief.js');
const { handleOf } = require('./server_handle.js');
const { LISTEN_OPTIONS, connectTerms, enrollTerms, listenTerms } = require('./terms.js');
const { Ticker, Timer, milliseconds } = require('./timer.js');
const { Unstarted } = require('./unstarted.js');

/** @typedef {import('./handler.js').Handler} Handler */
/** @typedef {import('./conn_id.js').ConnId} ConnId */

/** @typedef {import('./options.js').Options} Options */
/** @typedef {import('./server_handle.js').ServerHandle} ServerHandle */
/** @typedef {import('./terms.js').ConnectOptions} ConnectOptions */
/** @typedef {import('./terms.js').EnrollOptions} EnrollOptions */
/** @typedef {import('./terms.js').ListenOptions} ListenOptions */
/** @typedef {import('./metrics.js').Metrics} Metrics */

/**
 * A listener that is open.
 * @typedef {object} Listener
 * @property {number} listener Its number in the server, from 1.
 * @property {string} address The address really bound, as a URL without options.
 */

/** The numbers of actions, as the addon has them. */
const [NONE, STOP] = ['none', 'stop'].map((name) => native.actions().indexOf(name));
/** What a URL must be. */
const A_URL = "a string such as 'tcp://127.0.0.1:5000'";

/**
 * A server and its event loops. The loops run on threads of their own, or inline; the callbacks run here, on the thread that made
 * the server, and so must every call. None blocks but `listen`, which may look up a name, and none calls a callback before it
 * returns but `start`, which calls `onStart`, and `sendNow`. While the server runs it keeps the process alive. The loops take none of the process's
 * signals, and what a callback spawns is spawned by the JavaScript thread, with that thread's signal mask.
 */
class Server extends ById {
  #native;
  #handler;
  #dispatcher;
  #relief = new Relief();
  #unstarted = new Unstarted();
  /** @type {Ticker | undefined} */
  #ticker;
  /** @type {Set<Timer>} */
  #timers = new Set();
  /** @type {'new' | 'starting' | 'running' | 'over'} */
  #state = 'new';
  #stopAsked = false;
  /** @type {ServerHandle | undefined} */
  #handle;
  #keepsAlive = true;
  /** @type {() => void} */
  #resolveEnded = () => {};
  /** @type {Promise<void>} */
  #ended = new Promise((resolve) => {
    this.#resolveEnded = resolve;
  });

  /**
   * A server that is not started and listens nowhere.
   * @param {Handler} handler its callbacks
   * @param {Options} [options] zero or absent means the default
   * @throws {ReactorError} `INVALID_ARGUMENT` for options out of range or unknown, and for a method of the handler that is
   *   named like a callback and is none; `SYSTEM` when descriptors have run out
   */
  constructor(handler, options) {
    super();
    this.#handler = checkedHandler(handler);
    expectLog(this.#handler, options);
    this.#native = createServer(options, typeof handler.onCommand === 'function');
    this.#dispatcher = new Dispatcher(this.#native, this.#handler, options?.logLevel === 'off', options?.mode === 'inline');
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
   * `delimiter:BYTES` (any byte as % and two hexadecimal digits: `delimiter:%0D%0A`), `length:WIDTH` (1, 2, 3, 4, 8 or
   * `varint`) or `resp`; behind it, after commas, `max_frame=N`; of lines and delimiters `keep_delimiter=BOOL`,
   * `deliver_rest=BOOL`, and of delimiters `or=BYTES` for each further one; of a length field `order=big|little`, `offset=N`,
   * `adjustment=N`, `strip=N|header`. With a framing each `onData` has one whole frame. `resp` cuts
   * the commands of Redis's clients, which `onCommand` gets as lists of their arguments; behind it `max_arguments=N`.
   * @param {string} url no scheme means `tcp`, no host every address, port 0 a free one
   * @param {ListenOptions} [options] the same, where the query wins
   * @returns {string} the address really bound, as a URL without the options
   * @throws {ReactorError} `INVALID_ADDRESS`, which quotes the URL and says what options there are, or what form one has;
   *   `INVALID_ARGUMENT` for an option that is unknown or out of range; `ADDRESS_IN_USE` or `SYSTEM` with the system's reason;
   *   `WRONG_STATE` once the server stops. The server can listen again.
   */
  listen(url, options) {
    if (typeof url !== 'string') throw wrongType('url', A_URL, url);
    const bound = this.#native.listen(url, listenTerms(options, this.#failedMeasure));
    if (typeof bound !== 'string') throw errorOf(bound, undefined, { syscall: 'listen', url });
    return this.#listens(bound);
  }

  /**
   * Listens at every socket that the service manager passed on, by the LISTEN_PID and LISTEN_FDS of systemd. The engine owns the
   * descriptors from then on.
   * @param {ListenOptions} [options] those of {@link listen}, for all of them
   * @returns {string[]} their addresses: none if there are no such variables, or they are another process's
   * @throws {ReactorError} what {@link listen} throws, and `INVALID_ARGUMENT` if the variables are malformed; the descriptors
   *   before the one that failed stay
   */
  listenInherited(options) {
    const bound = this.#native.listenInherited(listenTerms(options, this.#failedMeasure));
    if (!Array.isArray(bound)) throw errorOf(bound, undefined, { syscall: 'listen' });
    return bound.map((address) => this.#listens(address));
  }

  /** A function that measures frames has failed. */
  #failedMeasure = (/** @type {unknown} */ error) => this.#dispatcher.callbacks.failed(null, "the framing's function", error);

  /** @param {string} address */
  #listens(address) {
    if (this.#state === 'new') this.#unstarted.listens(address);
    return address;
  }

  /**
   * Stops listening. Connections of the listener go on, and whoever the kernel had connected before is taken in and served. Of a
   * UDP listener the datagrams that wait are delivered and answered first.
   * @param {string | number | Listener} listener the address that `listen` returned, or the listener or its number, as
   *   {@link listeners} has them; of several with one address it is the first
   * @param {{ refuse?: boolean }} [options] `refuse: true`: whoever waits to be accepted is reset
   * @returns {Promise<void>} resolves when connects are refused and the address is free. Rejects with a {@link ReactorError},
   *   `INVALID_ARGUMENT`, if the server has no such listener any more
   */
  async closeListener(listener, options) {
    const { refuse = false } = optionsOf(options, 'options', ['refuse']);
    const refused = boolean(refuse, 'refuse');
    const number = this.#listener(listener);
    const endpoints = this.endpoints(number);
    const closing = this.#engine.closeListener(number, refused);
    const failure = 'code' in closing ? closing : await closing;
    if (failure) throw errorOf(failure);
    this.#dispatcher.forget(endpoints);
  }

  /**
   * The ids of a UDP listener's endpoints: from `onStart` on, one, or with `reuseport` one for each loop. Empty for other listeners,
   * and before the start.
   * @param {string | number | Listener} listener as {@link closeListener} takes it
   * @returns {ConnId[]} for `sendTo`, and whatever else there is by id
   * @throws {ReactorError} `INVALID_ARGUMENT` if the server has no such listener
   */
  endpoints(listener) {
    return this.#ids(this.#native.endpoints(this.#listener(listener)));
  }

  /** What the engine is asked by: behind what was written before. */
  get #engine() {
    return this.#dispatcher.engine;
  }

  /** @param {number[]} halves */
  #ids(halves) {
    return Array.from({ length: halves.length / 2 }, (_, at) => this.#dispatcher.id(halves[2 * at] ?? 0, halves[2 * at + 1] ?? 0));
  }

  /**
   * @param {unknown} listener
   * @returns {number} its number
   */
  #listener(listener) {
    if (typeof listener === 'string') {
      const found = this.listeners.find(({ address }) => address === listener);
      if (found) return found.listener;
      throw new ReactorError('INVALID_ARGUMENT', `the server has no listener at ${listener}`);
    }
    const number = typeof listener === 'object' && listener ? /** @type {any} */ (listener).listener : listener;
    if (typeof number === 'number') return wholeNumber(number, 'listener', 2 ** 32 - 1);
    throw wrongType('listener', 'an address, a listener or its number', listener);
  }

  /**
   * The listeners that are open, in the order of the `listen` calls.
   * @returns {Listener[]}
   */
  get listeners() {
    return this.#native.listeners;
  }

  /**
   * Connects to `[scheme://]address[?option=value&…]`, over tcp, udp or unix, and returns the connection at once. The callbacks are those of
   * every connection: `onOpen` when it is made; or if that fails `onClose` alone, with `connect failed` or `time-out`. What is
   * written before that is queued, but not over udp. A name is looked up, without blocking, and its addresses are tried as RFC 8305 says: the next
   * is begun when one fails or has been silent for 250 ms.
   *
   * Options, as {@link listen} has them: `nodelay=BOOL`, `keepalive=BOOL|IDLE[,INTERVAL[,COUNT]]`, `rcvbuf=N`, `sndbuf=N`,
   * `device=NAME`, `broadcast=BOOL`, `idle=MS`, `read=MS`, `write=MS`, `half_open=BOOL`, `framing=FRAMING`; and `bind=IP[:PORT]`, the
   * local address to connect from.
   * @param {string} url where to
   * @param {ConnectOptions} [options] the same, where the query wins, and `timeoutMs`, `loop` and `context`
   * @returns {import('./conn.js').Conn} the connection, which is being made
   * @throws {ReactorError} `INVALID_ADDRESS`; `INVALID_ARGUMENT` for an option that is unknown or out of range, and for a loop that
   *   there is not; `WRONG_STATE` before the start and after a stop
   */
  connect(url, options) {
    if (typeof url !== 'string') throw wrongType('url', A_URL, url);
    const { native: outgoing, context } = connectTerms(options, this.#failedMeasure);
    return this.#made(this.#native.connect(url, outgoing), context, { syscall: 'connect', url });
  }

  /**
   * Gives a connected TCP or Unix stream to the engine, which takes a copy of its descriptor; `onOpen` follows. Yours stays yours, to
   * be closed: nobody else may read from the socket from now on.
   * @param {number} descriptor of a connected stream
   * @param {EnrollOptions} [options] what it begins with
   * @returns {import('./conn.js').Conn} the connection
   * @throws {ReactorError} `INVALID_ARGUMENT` if it is no connected stream socket, and otherwise what {@link connect} throws
   */
  enroll(descriptor, options) {
    const { native: outgoing, context } = enrollTerms(options, this.#failedMeasure);
    const number = wholeNumber(required(descriptor, 'descriptor', 'a number'), 'descriptor', 2 ** 31 - 1);
    return this.#made(this.#native.enroll(number, outgoing), context, { syscall: 'fcntl' });
  }

  /**
   * @param {number[] | import('../types/native.js').Failure} made
   * @param {unknown} context
   * @param {import('./error.js').Because} because
   */
  #made(made, context, because) {
    if (!Array.isArray(made)) throw errorOf(made, undefined, because);
    const [high = 0, low = 0] = made;
    const conn = this.#dispatcher.made(high, low);
    conn.data = context;
    return conn;
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
    if (before === 'new') this.#dispatcher.callbacks.starts(this);
    const { words, bytes } = this.#dispatcher.memory;
    const failure = this.#native.start(
      () => this.#callOnStart(thrown),
      (...given) => this.#deliver(...given),
      words,
      bytes,
    );
    if (!failure) {
      this.#state = 'running';
      if (!this.#keepsAlive) this.#native.setRef(false);
      if (this.#handler.onTick) this.#ticker = new Ticker(() => this.#dispatcher.callbacks.tick());
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
   * Waits until the server has stopped, whoever stops it.
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
    this.#engine.stop();
    this.#stopAsked = true;
    this.#unstarted.end();
    if (this.#state === 'running') return this.#ended;
    this.#releaseIfStopped();
  }

  /**
   * Asks the server to stop when its connections have finished: `onStopping` is called, whoever the kernel has connected is taken
   * in, the listeners are closed, and the connections go on until all have ended or the deadline is over; what is left is then
   * closed as by {@link stop}. A further call can only bring the deadline forward.
   * @param {number} [deadlineMs] milliseconds from now. 0 or absent: the `stopDeadlineMs` of the server
   * @returns {Promise<void>} resolves when it has stopped, like {@link wait}; at once if it does not run
   */
  async stopGracefully(deadlineMs = 0) {
    this.#engine.stopGracefully(milliseconds(deadlineMs, 'deadlineMs'));
    this.#stopAsked = true;
    this.#unstarted.end();
    if (this.#state === 'running') return this.#ended;
    this.#releaseIfStopped();
  }

  /** Whether {@link stop} or {@link stopGracefully} was called, by whomever; and after the stop. */
  get isStopping() {
    return this.#native.isStopping;
  }

  /**
   * How other threads of the process reach the server: it can be sent to a Worker. Always the same object.
   * @returns {ServerHandle}
   * @throws {ReactorError} what any call does when the server is over
   */
  get handle() {
    this.#handle ??= this.#makeHandle();
    return this.#handle;
  }

  #makeHandle() {
    const number = this.#native.number();
    if (typeof number !== 'number') throw errorOf(number);
    this.#dispatcher.isReached = true;
    return handleOf(number);
  }

  /** Stops at once, for `await using`: see {@link stop}. */
  async [Symbol.asyncDispose]() {
    await this.stop();
  }

  /**
   * Keeps the process, or the Worker, alive while the server runs, as it does unless {@link unref} was called.
   * @returns {this} the server
   */
  ref() {
    return this.#setRef(true);
  }

  /**
   * Lets the process, or the Worker, end while the server runs, if nothing else keeps it alive. May come before the start.
   * @returns {this} the server
   */
  unref() {
    return this.#setRef(false);
  }

  /**
   * Sends what is queued now, as far as the kernel takes it, for a process that is about to exit. Threads do so by themselves: there it
   * waits for them, 5 s at most. Inline it may, alone of all calls, call callbacks before it returns: outside of this server's own, it
   * lets the engine have its turn.
   * @returns {void}
   */
  sendNow() {
    this.#engine.sendNow();
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
   * The object of a connection, which has every call on it: the one that callbacks are given.
   * @override
   * @param {ConnId} id
   * @returns {import('./conn.js').Conn}
   * @throws {ReactorError} `CLOSED` if the connection is gone, or belongs to another server
   */
  conn(id) {
    const conn = this.#dispatcher.conn(connId(id));
    if (conn) return conn;
    throw closedError(id);
  }

  /**
   * Calls a function on this thread after a time, for what concerns no connection. One that throws is reported to `onError`;
   * a timer that repeats goes on all the same. It ends with the server, and does not keep the process alive.
   * @param {number} delayMs milliseconds
   * @param {(timer: Timer) => unknown} callback what it returns does not count
   * @param {number} [repeatMs] milliseconds between further calls; 0 or absent: it is called once
   * @returns {Timer} it can be cancelled
   * @throws {ReactorError} `INVALID_ARGUMENT` for times out of range, `WRONG_STATE` once the server has stopped
   */
  setTimer(delayMs, callback, repeatMs = 0) {
    if (typeof callback !== 'function') throw wrongType('callback', 'a function', callback);
    if (this.#state === 'over') throw new ReactorError('WRONG_STATE', 'cannot set a timer: the server has stopped');
    const due = (/** @type {Timer} */ of) => this.#dispatcher.callbacks.call('a timer', callback, of);
    const timer = new Timer(delayMs, repeatMs, due, (of) => this.#timers.delete(of));
    this.#timers.add(timer);
    return timer;
  }

  /**
   * Calls a function on this thread when a loop has come to it: behind what it was asked before, which is carried out then. One that
   * throws is reported to `onError`. One that the loop has not come to when it ends is not called.
   * @param {number} loop from 0
   * @param {(loop: number) => unknown} callback what it returns does not count
   * @returns {void}
   * @throws {ReactorError} `INVALID_ARGUMENT` for a loop that there is not, `WRONG_STATE` before the start and after the stop
   */
  runOnLoop(loop, callback) {
    const index = wholeNumber(required(loop, 'loop', 'a number'), 'loop', 2 ** 31);
    const call = callbackOf(callback);
    const failure = this.#dispatcher.run((token) => this.#engine.runOnLoop(index, token), () => call(index));
    if (failure) throw errorOf(failure);
  }

  /**
   * What happened so far; after the stop, too. It walks over all connections, for `queuedBytes`: cheap enough to take every second.
   * @param {number} [loop] the loop, from 0, that it is of. What is refused, or fails to be accepted, is counted where that
   *   happens: with several loops on a thread that accepts for them, and so in none of theirs. Absent: of the whole server
   * @returns {Metrics} a snapshot
   * @throws {ReactorError} `INVALID_ARGUMENT` for a loop that there is not
   */
  metrics(loop) {
    const of = loop === undefined ? null : wholeNumber(loop, 'loop', 2 ** 31);
    const snapshot = this.#engine.metrics(of);
    if ('code' in snapshot) throw errorOf(snapshot);
    return metricsOf(snapshot);
  }

  /**
   * A delay, in milliseconds, that at least the fraction `q` of all did not exceed, from the moment the poller reported a
   * connection until its input was gathered for JavaScript: `delayPercentile(0.99)`. Up to twice the true one; 0 if nothing was sampled.
   * @param {number} q from 0 to 1
   * @param {number} [loop] as {@link metrics} has it
   * @returns {number} milliseconds
   * @throws {ReactorError} `INVALID_ARGUMENT` for a loop that there is not
   */
  delayPercentile(q, loop) {
    if (typeof q !== 'number') throw wrongType('q', 'a number from 0 to 1', q);
    return this.metrics(loop).delay.percentile(q);
  }

  /**
   * The ids of the connections that are open, those being made or closed included, loop by loop.
   * @returns {ConnId[]} for the calls that take one
   */
  connectionIds() {
    return this.#ids(this.#native.connectionIds);
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
    return this.#engine.queuedBytes;
  }

  /**
   * What console.log shows.
   * @internal
   * @returns {object} its fields
   */
  [inspect.custom]() {
    const { addresses, loops, connections, isStopping } = this;
    return inspected('Server', { addresses, loops, connections, isStopping });
  }

  /**
   * @param {{ cause?: unknown }} thrown takes what onStart throws
   * @returns {number | string} the action, or the text of the failure
   */
  #callOnStart(thrown) {
    this.#state = 'starting';
    try {
      return this.#dispatcher.callbacks.refusesStart(this.#handler.onStart?.(this)) ? STOP : NONE;
    } catch (error) {
      thrown.cause = error;
      return messageOf(error);
    }
  }

  /**
   * @param {number} records
   * @param {number} length
   * @param {Uint32Array} [words]
   * @param {Buffer} [bytes]
   * @param {string} [told]
   * @param {string} [level]
   * @param {number} [ran]
   */
  #deliver(records, length, words, bytes, told, level, ran) {
    if (records > 0) {
      this.#dispatcher.deliver(records, length, words, bytes);
      return this.#relief.moved(length + this.#native.takeWritten());
    }
    if (told !== undefined) return this.#dispatcher.callbacks.told(level ?? '', told);
    if (ran !== undefined) return this.#dispatcher.ran(ran);
    this.#relief.end();
    this.#ticker?.end();
    for (const timer of this.#timers) timer.cancel();
    this.#native.release();
    this.#state = 'over';
    this.#dispatcher.stopped();
    this.#resolveEnded();
  }
}

/**
 * Whoever asks for more than errors wants to be told.
 * @param {Handler} handler
 * @param {Options | undefined} options
 */
function expectLog(handler, options) {
  if (handler.onLog || ['off', 'error', undefined].includes(options?.logLevel)) return;
  throw new ReactorError('INVALID_ARGUMENT', 'logLevel asks for more than errors, and the handler has no onLog to be told');
}

/**
 * @param {Options | undefined} options
 * @param {boolean} commands whether the handler is told commands
 * @returns {import('./conn.js').NativeServer}
 */
function createServer(options, commands) {
  const server = native.createServer({ ...checkedOptions(options, LISTEN_OPTIONS), commands });
  if ('code' in server) throw errorOf(server);
  return Object.assign(server, server.calls());
}

module.exports = { Server };
