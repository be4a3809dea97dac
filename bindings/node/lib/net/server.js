// `Server`: a listener of the engine, whose connections are sockets.
'use strict';

const cluster = /** @type {import('node:cluster').Cluster} */ (/** @type {unknown} */ (require('node:cluster')));
const channel = require('node:diagnostics_channel');
const dns = require('node:dns');
const EventEmitter = require('node:events');
const node = require('node:net');

const { checkedPort, coded, expectSignal, isPath, normalized, onAbort, toNumber, wrongType, wrongValue } = require('./arguments.js');
const { systemError } = require('./errors.js');
const { Handle } = require('./handle.js');
const { Listening, whenFree } = require('./listening.js');
const { tcpUrl, unixUrl } = require('./place.js');
const { Socket, seconds } = require('./socket.js');

const taken = channel.channel('net.server.socket');

const [EINVAL, EAFNOSUPPORT, EADDRNOTAVAIL, EADDRINUSE] = [22, 97, 99, 98];

/**
 * A server: a class of the old kind, of which the types say nothing.
 * @typedef {any} NetServer
 */

/** What is to be kept of a server. */
const STATE = Symbol('state');

/**
 * A server. It can be called without `new`, as node:net's.
 * @this {NetServer}
 * @param {any} [options]
 * @param {any} [listener] of 'connection'
 */
function Server(options, listener) {
  if (!Server.prototype.isPrototypeOf(this)) return new /** @type {any} */ (Server)(options, listener);
  /** @type {any} */ (EventEmitter).call(this);
  const { given, called } = argumentsOf(options, listener);
  if (called) this.on('connection', called);
  this._connections = 0;
  this._handle = null;
  this._unref = false;
  this.allowHalfOpen = given.allowHalfOpen || false;
  this.pauseOnConnect = Boolean(given.pauseOnConnect);
  this.noDelay = given.noDelay;
  this.keepAlive = Boolean(given.keepAlive);
  this.keepAliveInitialDelay = seconds(given.keepAliveInitialDelay);
  this.highWaterMark = given.highWaterMark;
  this.blockList = blockListOf(given.blockList);
  // A listening that was given up has another number; what is being closed is told of the end.
  this[STATE] = { listening: 0, isBinding: false, isClosing: false, path: undefined };
  return this;
}

/**
 * @param {any} options
 * @param {any} listener
 */
function argumentsOf(options, listener) {
  if (typeof options === 'function') return { given: {}, called: options };
  if (options !== null && options !== undefined && typeof options !== 'object') throw wrongType('options', 'of type object', options);
  const given = { ...options };
  const delay = given.keepAliveInitialDelay;
  if (delay !== undefined && typeof delay !== 'number') throw wrongType('options.keepAliveInitialDelay', 'of type number', delay);
  if (given.highWaterMark !== undefined) checkMark(given.highWaterMark);
  return { given, called: typeof listener === 'function' ? listener : undefined };
}

/** @param {any} mark */
function checkMark(mark) {
  if (typeof mark !== 'number') throw wrongType('options.highWaterMark', 'of type number', mark);
}

/** @param {any} list */
function blockListOf(list) {
  if (list === undefined || list === null || list instanceof node.BlockList) return list;
  throw wrongType('options.blockList', 'an instance of net.BlockList', list);
}

Object.setPrototypeOf(Server, EventEmitter);
Object.setPrototypeOf(Server.prototype, EventEmitter.prototype);

// ---- listening ----

/**
 * Where a server is to listen, with what options.
 * @typedef {{ url: string | undefined, terms: any, address: string | undefined, port: number | undefined }} Wish
 */

const methods = {
  /** Listens. @this {NetServer} @param {any[]} args */
  listen(...args) {
    const [given, callback] = normalized(args);
    if (this._handle || this[STATE].isBinding) throw coded(Error, 'ERR_SERVER_ALREADY_LISTEN', 'Listen method has been called more than once without closing.');
    if (callback !== null) this.once('listening', callback);
    const backlog = toNumber(args.length > 1 && args[1]) || toNumber(args.length > 2 && args[2]) || given.backlog;
    const options = given._handle ?? given.handle ?? given;
    expectSignal(options.signal);
    if (options.signal) onAbort(options.signal, () => this.close());
    listenAt(this, options, backlog, args);
    return this;
  },

  /** Ends the listening; 'close' comes when the connections have ended, too. @this {NetServer} @param {any} [callback] */
  close(callback) {
    const state = this[STATE];
    state.listening += 1;
    state.isBinding = false;
    if (typeof callback === 'function') whenClosed(this, callback);
    if (this._handle) {
      const handle = this._handle;
      this._handle = null;
      state.isClosing = true;
      handle.close(() => {
        state.isClosing = false;
        this._emitCloseIfDrained();
      });
    } else {
      this._emitCloseIfDrained();
    }
    return this;
  },

  /** @this {NetServer} */
  _emitCloseIfDrained() {
    if (this._handle || this._connections > 0 || this[STATE].isClosing) return;
    process.nextTick(() => this.emit('close'));
  },

  /** Where it listens. @this {NetServer} */
  address() {
    return this._handle ? addressOf(this._handle.url, this[STATE].path) : null;
  },

  /** @this {NetServer} @param {(error: Error | null, count: number) => void} callback */
  getConnections(callback) {
    process.nextTick(callback, null, this._connections);
    return this;
  },

  /** @this {NetServer} */
  ref() {
    this._unref = false;
    this._handle?.ref();
    return this;
  },

  /** @this {NetServer} */
  unref() {
    this._unref = true;
    this._handle?.unref();
    return this;
  },

  /** Closes it, for `await using`. @this {NetServer} */
  async [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    if (!this.listening) return;
    await new Promise((resolve, reject) => {
      this.close((/** @type {Error | undefined} */ error) => (error ? reject(error) : resolve(undefined)));
    });
  },

  /** @this {NetServer} @param {Error} error @param {string} event @param {any} socket */
  [Symbol.for('nodejs.rejection')](error, event, socket) {
    if (event === 'connection') socket.destroy(error);
    else this.emit('error', error);
  },
};

/**
 * @param {NetServer} server
 * @param {(error?: Error) => void} callback
 */
function whenClosed(server, callback) {
  const wasListening = Boolean(server._handle);
  server.once('close', () => (wasListening ? callback() : callback(coded(Error, 'ERR_SERVER_NOT_RUNNING', 'Server is not running.'))));
}

/**
 * @param {NetServer} server
 * @param {any} options
 * @param {any} backlog
 * @param {any[]} args
 */
function listenAt(server, options, backlog, args) {
  if (typeof options.fd === 'number' && options.fd >= 0) return void bind(server, { url: `fd://${options.fd}`, terms: terms(backlog), address: undefined, port: undefined });
  const isAnyPort = args.length === 0 || typeof args[0] === 'function' || (options.port === undefined && 'port' in options) || options.port === null;
  const port = isAnyPort ? 0 : options.port;
  if (typeof port === 'number' || typeof port === 'string') return listenAtPort(server, checkedPort(port, 'options.port'), options, backlog);
  if (options.path && isPath(options.path)) return listenAtPath(server, options, backlog);
  if (!('port' in options || 'path' in options)) throw wrongValue('options', options, 'must have the property "port" or "path"');
  throw wrongValue('options', options);
}

/**
 * @param {NetServer} server
 * @param {number} port
 * @param {any} options
 * @param {any} backlog
 */
function listenAtPort(server, port, options, backlog) {
  const asked = { ...terms(backlog), ...tcpTerms(server, options, port) };
  if (!options.host) {
    // Both families, or what there is of them.
    return bind(server, { url: `tcp://:${port}`, terms: asked, address: options.ipv6Only ? '::' : undefined, port });
  }
  const number = (server[STATE].listening += 1);
  dns.lookup(options.host, (error, address) => {
    if (number !== server[STATE].listening) return;
    if (error) return void server.emit('error', error);
    bind(server, { url: urlOf(address, port, asked), terms: asked, address, port });
  });
}

/**
 * @param {string} address
 * @param {number} port
 * @param {any} asked
 */
function urlOf(address, port, asked) {
  if (node.isIP(address) !== 6) {
    delete asked.ipv6Only;
    return tcpUrl(address, port);
  }
  return `tcp://[${address}]:${port}`;
}

/**
 * @param {NetServer} server
 * @param {any} options
 * @param {any} backlog
 */
function listenAtPath(server, options, backlog) {
  const { path, readableAll, writableAll } = options;
  const mode = (readableAll ? 0o444 : 0) | (writableAll ? 0o222 : 0);
  const asked = { ...terms(backlog), ...(mode && !path.startsWith('\0') ? { unixMode: mode | 0o600 } : {}) };
  server[STATE].path = path;
  bind(server, { url: unixUrl(path), terms: asked, address: path, port: undefined });
}

/** @param {any} backlog */
const terms = (backlog) => (backlog > 0 ? { backlog: Math.min(Number(backlog), 2 ** 31 - 1) } : {});

/**
 * @param {NetServer} server
 * @param {any} options
 * @param {number} port
 */
function tcpTerms({ noDelay }, { ipv6Only, reusePort, exclusive }, port) {
  // Workers of a cluster share a port, which the kernel deals out.
  const shared = reusePort || (cluster.isWorker && !exclusive && port > 0);
  return { ipv6Only: Boolean(ipv6Only), ...(shared ? { reuseport: true } : {}), ...(noDelay === false ? { nodelay: false } : {}) };
}

/**
 * Listens now, or when an address that another server of ours has given back is free.
 * @param {NetServer} server
 * @param {Wish} wish
 */
function bind(server, wish) {
  const number = (server[STATE].listening += 1);
  const failed = attempt(server, wish);
  if (!failed) return;
  const free = failed.code === 'EADDRINUSE' ? whenFree() : undefined;
  if (!free) return void process.nextTick(() => server.emit('error', failed));
  server[STATE].isBinding = true;
  free.then(() => {
    if (number !== server[STATE].listening) return;
    server[STATE].isBinding = false;
    const again = attempt(server, wish);
    if (again) process.nextTick(() => server.emit('error', again));
  });
}

/**
 * @param {NetServer} server
 * @param {Wish} wish
 * @returns {any} why it does not listen
 */
function attempt(server, wish) {
  const failure = (/** @type {number} */ errno) => systemError(errno, 'listen', { address: wish.address ?? (wish.port === undefined ? undefined : '::'), port: wish.port, explains: true });
  if (wish.url === undefined) return failure(EINVAL);
  try {
    server._handle = new Listening(wish.url, wish.terms, (_, handle) => accepted(server, handle));
    server._connectionKey = connectionKey(server._handle.url, wish);
  } catch (error) {
    return failure(errnoOf(error));
  }
  if (server._unref) server.unref();
  process.nextTick(() => server._handle && server.emit('listening'));
  return undefined;
}

/**
 * What Node knows a listening by.
 * @param {string} url
 * @param {Wish} wish
 */
function connectionKey(url, { address, port }) {
  if (port === undefined) return `-1:${address ?? null}:-1`;
  const { address: bound } = /** @type {any} */ (addressOf(url, undefined));
  return `${node.isIP(bound)}:${bound}:${port}`;
}

/** @param {any} error of the engine's */
function errnoOf({ code, errno }) {
  if (errno) return errno === EAFNOSUPPORT ? EADDRNOTAVAIL : errno;
  return code === 'ADDRESS_IN_USE' ? EADDRINUSE : EINVAL;
}

/**
 * @param {string} url
 * @param {string | undefined} path
 */
function addressOf(url, path) {
  if (url.startsWith('unix:')) return path ?? decodeURIComponent(url.slice('unix://'.length));
  const [, v6, v4, port] = /** @type {RegExpMatchArray} */ (url.match(/^tcp[46]?:\/\/(?:\[(.+)\]|(.+)):(\d+)$/));
  return { address: v6 ?? v4, family: v6 === undefined ? 'IPv4' : 'IPv6', port: Number(port) };
}

// ---- connections ----

/**
 * Somebody has connected.
 * @param {NetServer} server
 * @param {Handle} handle
 */
function accepted(server, handle) {
  if (isBlocked(server, handle)) return handle.close();
  if (server.maxConnections != null && server._connections >= server.maxConnections) return drop(server, handle);
  const { noDelay, keepAlive, keepAliveInitialDelay, highWaterMark } = server;
  const socket = new /** @type {any} */ (Socket)({
    handle,
    allowHalfOpen: server.allowHalfOpen,
    pauseOnCreate: server.pauseOnConnect,
    readable: true,
    writable: true,
    ...(highWaterMark === undefined ? {} : { readableHighWaterMark: highWaterMark, writableHighWaterMark: highWaterMark }),
    ...(noDelay ? { noDelay } : {}),
    ...(keepAlive ? { keepAlive, keepAliveInitialDelay: 1000 * keepAliveInitialDelay } : {}),
  });
  server._connections += 1;
  socket.server = server;
  socket._server = server;
  server.emit('connection', socket);
  if (taken.hasSubscribers) taken.publish({ socket });
}

/**
 * @param {NetServer} server
 * @param {Handle} handle
 */
function isBlocked({ blockList }, handle) {
  if (!blockList) return false;
  const { address, family } = handle.address(true);
  return address !== undefined && blockList.check(address, family?.toLowerCase());
}

/**
 * One too many: it is closed, and the server says so.
 * @param {NetServer} server
 * @param {Handle} handle
 */
function drop(server, handle) {
  const [own, peer] = [handle.address(false), handle.address(true)];
  handle.close();
  if (handle.isPipe) return void server.emit('drop');
  const local = { localAddress: own.address, localPort: own.port, localFamily: own.family };
  server.emit('drop', { ...local, remoteAddress: peer.address, remotePort: peer.port, remoteFamily: peer.family });
}

for (const name of Reflect.ownKeys(methods)) {
  Object.defineProperty(Server.prototype, name, { value: /** @type {any} */ (methods)[name], configurable: true, writable: true });
}
Object.defineProperty(Server.prototype, 'listening', {
  /** @this {NetServer} */
  get() {
    return Boolean(this._handle);
  },
  configurable: true,
  enumerable: true,
});

/**
 * @param {any} [options]
 * @param {any} [listener]
 */
const createServer = (options, listener) => new /** @type {any} */ (Server)(options, listener);

module.exports = { Server, createServer };
