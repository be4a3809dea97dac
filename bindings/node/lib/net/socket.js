// `Socket`: a Duplex over a connection of the engine.
'use strict';

const channel = require('node:diagnostics_channel');
const { closeSync, fstatSync } = require('node:fs');
const node = require('node:net');
const { Duplex } = require('node:stream');

const { checkedTimeout, coded, expectBoolean, expectFunction, expectInteger, normalized, onAbort, wrongType, wrongValue } = require('./arguments.js');
const { whenClosed } = require('./closing.js');
const { connectError, connectToPath, lookUpAndConnect } = require('./connecting.js');
const { systemError } = require('./errors.js');
const { Handle } = require('./handle.js');
const { unixUrl } = require('./place.js');

const made = channel.channel('net.client.socket');

const [ENOBUFS, ECANCELED] = [105, 125];

/** What must be kept of a socket besides what a Duplex keeps. */
const STATE = Symbol('state');

/**
 * A socket: a class of the old kind, of which the types say nothing.
 * @typedef {any} NetSocket
 */

/**
 * A socket. It can be called without `new`, as node:net's.
 * @this {NetSocket}
 * @param {any} [options]
 */
function Socket(options) {
  if (!Socket.prototype.isPrototypeOf(this)) return new /** @type {any} */ (Socket)(options);
  const given = checkedOptions(typeof options === 'number' ? { fd: options } : { ...options });
  if (isForeign(given)) return new node.Socket(given);
  /** @type {any} */ (Duplex).call(this, { ...given, signal: undefined });
  begin(this, given);
  if (given.handle) take(this, given.handle);
  else if (given.fd !== undefined) enroll(this, given.fd);
  if (given.signal) onAbort(given.signal, (reason) => this.destroy(abortError(reason)));
  this.on('end', onReadableEnd);
  if (this._handle && options?.readable !== false && !options?.manualStart) startReading(this, given.pauseOnCreate);
  return this;
}

/** @param {any} options */
function checkedOptions(options) {
  for (const name of ['objectMode', 'readableObjectMode', 'writableObjectMode']) {
    if (options[name]) throw wrongValue(`options.${name}`, options[name], 'is not supported');
  }
  if (options.keepAliveInitialDelay !== undefined) {
    if (typeof options.keepAliveInitialDelay !== 'number') throw wrongType('options.keepAliveInitialDelay', 'of type number', options.keepAliveInitialDelay);
    options.keepAliveInitialDelay = Math.max(options.keepAliveInitialDelay, 0);
  }
  if (options.blockList != null && !(options.blockList instanceof node.BlockList)) {
    throw wrongType('options.blockList', 'an instance of net.BlockList', options.blockList);
  }
  // What a stream would do by itself is done by the socket: it closes when the connection has, and encodes what it is given.
  return { ...options, allowHalfOpen: Boolean(options.allowHalfOpen), emitClose: false, autoDestroy: true, decodeStrings: false };
}

/**
 * Whether it is for Node's own: a handle of Node's, and a descriptor that is no socket, a pipe or a terminal.
 * @param {any} options
 */
function isForeign({ handle, fd }) {
  if (handle) return ['TCP', 'Pipe', 'TTY'].includes(handle.constructor?.name);
  if (fd === undefined) return false;
  expectInteger(fd, 'options.fd', 0, 2 ** 31 - 1);
  return !fstatSync(fd).isSocket();
}

/**
 * @param {NetSocket} socket
 * @param {any} options
 */
function begin(socket, options) {
  socket[STATE] = { timer: null, sentAt: 0, noDelay: undefined, keepAlive: undefined, onread: onreadOf(options.onread), isResetting: false, read: 0, peer: undefined, self: undefined };
  socket.connecting = false;
  socket._hadError = false;
  socket._parent = null;
  socket._host = null;
  socket._handle = null;
  socket._pendingData = null;
  socket._pendingEncoding = '';
  socket._tries = null;
  socket._server = null;
  socket.server = null;
  socket._sockname = null;
  socket._bytesDispatched = 0;
  socket.timeout = undefined;
  socket._blockList = options.blockList;
  if (options.noDelay) socket[STATE].noDelay = true;
  if (options.keepAlive) socket[STATE].keepAlive = seconds(options.keepAliveInitialDelay);
}

/** @param {any} onread */
function onreadOf(onread) {
  const takes = typeof onread === 'object' && onread !== null && typeof onread.callback === 'function';
  if (!takes || !(onread.buffer instanceof Uint8Array || typeof onread.buffer === 'function')) return null;
  const make = typeof onread.buffer === 'function' ? onread.buffer : () => onread.buffer;
  return { make, callback: onread.callback, next: null, rest: null, isPaused: false };
}

/** @param {any} [milliseconds] */
const seconds = (milliseconds) => Math.max(Math.trunc((Number(milliseconds) || 0) / 1000), 0);

/**
 * @param {NetSocket} socket
 * @param {Handle} handle that is connected
 */
function take(socket, handle) {
  socket._handle = handle;
  handle.belongsTo?.(ownerOf(socket));
  applyOptions(socket);
}

/**
 * Takes a descriptor over.
 * @param {NetSocket} socket
 * @param {number} descriptor
 */
function enroll(socket, descriptor) {
  const handle = new Handle(ownerOf(socket), true);
  handle.enroll(descriptor);
  // The engine has a copy.
  closeSync(descriptor);
  handle.isPipe = handle.address(false).port === undefined;
  take(socket, handle);
}

/**
 * @param {NetSocket} socket
 * @param {boolean} isPaused
 */
function startReading(socket, isPaused) {
  if (!isPaused) return void socket.read(0);
  socket._handle.readStop();
  // No listener makes it flow, as `pause` would have it.
  socket.readableFlowing = false;
}

/** @param {unknown} reason */
function abortError(reason) {
  const error = /** @type {any} */ (new Error('The operation was aborted', { cause: reason }));
  Object.defineProperty(error, 'name', { value: 'AbortError', configurable: true, writable: true, enumerable: false });
  error.code = 'ABORT_ERR';
  return error;
}

/** Nobody reads any more; and what is written then would go nowhere. @this {NetSocket} */
function onReadableEnd() {
  if (!this.allowHalfOpen) this.write = writeAfterEnd;
}

/**
 * @this {NetSocket}
 * @param {any} chunk
 * @param {any} encoding
 * @param {any} callback
 */
function writeAfterEnd(chunk, encoding, callback) {
  if (!this.writableEnded) return Duplex.prototype.write.call(this, chunk, encoding, callback);
  const told = typeof encoding === 'function' ? encoding : callback;
  const error = Object.assign(new Error('This socket has been ended by the other party'), { code: 'EPIPE' });
  if (typeof told === 'function') process.nextTick(told, error);
  this.destroy(error);
  return false;
}

Object.setPrototypeOf(Socket, Duplex);
Object.setPrototypeOf(Socket.prototype, Duplex.prototype);

// ---- what the connection tells ----

/**
 * @param {NetSocket} socket
 * @returns {import('./handle.js').Owner}
 */
function ownerOf(socket) {
  return {
    onConnected: (error) => (error ? notConnected(socket, error) : connected(socket)),
    onReceived: (data) => received(socket, data),
    onEnded: () => ended(socket),
    onBroken: (error) => broken(socket, error),
    onProgress: () => noteSentSoon(socket),
  };
}

/** @param {NetSocket} socket */
function connected(socket) {
  // One that was enrolled, or came in, was open from the beginning.
  if (!socket.connecting || socket.destroyed) return;
  socket.connecting = false;
  socket._tries = null;
  socket._sockname = null;
  socket._unrefTimer();
  applyOptions(socket);
  const { _handle: handle } = socket;
  // Not until somebody wants to read.
  handle.reading = false;
  socket.emit('connect');
  socket.emit('ready');
  if (socket.readable && !socket.isPaused()) socket.read(0);
  handle.settleReading();
}

/** @param {NetSocket} socket */
function applyOptions(socket) {
  const { noDelay, keepAlive } = socket[STATE];
  const { _handle: handle } = socket;
  if (noDelay !== undefined) handle?.setNoDelay?.(noDelay);
  if (keepAlive !== undefined) handle?.setKeepAlive?.(keepAlive >= 0, Math.max(keepAlive, 0));
}

/**
 * @param {NetSocket} socket
 * @param {any} cause
 */
function notConnected(socket, cause) {
  const tried = socket._tries;
  if (socket.destroyed || !tried) return;
  const error = connectError(-cause.errno, tried.address, tried.port, tried.options);
  if (tried.failed) return tried.failed(error);
  if (tried.family) socket.emit('connectionAttemptFailed', tried.address, tried.port, tried.family, error);
  socket.destroy(error);
}

/**
 * @param {NetSocket} socket
 * @param {Buffer} data
 */
function received(socket, data) {
  socket[STATE].read += data.length;
  socket._unrefTimer();
  const { onread } = socket[STATE];
  if (onread) return give(socket, onread, data);
  if (!socket.push(data)) socket._handle?.readStop();
}

/**
 * Fills the user's own buffer, as often as it takes.
 * @param {NetSocket} socket
 * @param {any} onread
 * @param {Uint8Array} data
 */
function give(socket, onread, data) {
  for (let at = 0; at < data.length; ) {
    const buffer = onread.next;
    if (buffer.length === 0) return void socket.destroy(systemError(ENOBUFS, 'read'));
    const taken = data.subarray(at, at + buffer.length);
    buffer.set(taken);
    at += taken.length;
    const goesOn = onread.callback.call(socket, taken.length, buffer) !== false;
    if (socket.destroyed) return;
    onread.next = onread.make();
    if (goesOn && !onread.isPaused) continue;
    onread.rest = at < data.length ? data.subarray(at) : null;
    return void pauseReading(socket, onread);
  }
}

/**
 * @param {NetSocket} socket
 * @param {any} onread
 */
function pauseReading(socket, onread) {
  onread.isPaused = true;
  socket._handle?.readStop();
}

/**
 * @param {NetSocket} socket
 * @param {any} onread
 */
function resumeReading(socket, onread) {
  if (!onread.isPaused) return;
  onread.isPaused = false;
  const { rest } = onread;
  onread.rest = null;
  if (rest) give(socket, onread, rest);
  if (!onread.isPaused) socket._handle?.readStart();
}

/** @param {NetSocket} socket */
function ended(socket) {
  if (socket.destroyed) return;
  socket.push(null);
  socket.read(0);
}

/**
 * The connection is gone in the engine. After both ends have ended there is no more to do: what was read waits to be taken.
 * @param {NetSocket} socket
 * @param {Error | null} error
 */
function broken(socket, error) {
  if (error && !socket.destroyed) socket.destroy(error);
}

// ---- connecting ----

const methods = {
  /** Connects. @this {NetSocket} @param {any[]} args */
  connect(...args) {
    const [options, callback] = normalized(args);
    const { path } = options;
    if (Object.hasOwn(this, 'write')) delete this.write;
    if (this.destroyed) {
      this._handle = null;
      this._sockname = null;
    }
    checkConnect(options, path);
    if (!this._handle) renew(this, Boolean(path));
    if (callback !== null) this.once('connect', callback);
    setConnecting(this, options);
    if (path) connectToPath(this, path, typeof path === 'string' ? unixUrl(path) : undefined);
    else lookUpAndConnect(this, options);
    return this;
  },

  /** @this {NetSocket} @param {number} milliseconds @param {() => void} [callback] */
  setTimeout(milliseconds, callback) {
    if (this.destroyed) return this;
    const time = checkedTimeout(milliseconds, 'msecs');
    this.timeout = time;
    if (callback !== undefined) expectFunction(callback, 'callback');
    clearTimeout(this[STATE].timer);
    this[STATE].timer = null;
    if (time === 0) {
      if (callback) this.removeListener('timeout', callback);
      return this;
    }
    this[STATE].sentAt = this._handle?.bytesSent ?? 0;
    this[STATE].timer = setTimeout(() => timedOut(this), time).unref();
    if (callback) this.once('timeout', callback);
    return this;
  },

  /** Something has happened: the time-out begins anew. @this {NetSocket} */
  _unrefTimer() {
    this[STATE].timer?.refresh();
  },

  /** What the time-out calls, for those who call it. @this {NetSocket} */
  _onTimeout() {
    timedOut(this);
  },

  /** @this {NetSocket} @param {boolean} [enable] */
  setNoDelay(enable) {
    const on = enable === undefined ? true : Boolean(enable);
    const before = this[STATE].noDelay;
    this[STATE].noDelay = on;
    if (this._handle && !this.connecting && on !== Boolean(before)) this._handle.setNoDelay?.(on);
    return this;
  },

  /** @this {NetSocket} @param {boolean} [enable] @param {number} [initialDelay] milliseconds */
  setKeepAlive(enable, initialDelay) {
    const before = this[STATE].keepAlive;
    const after = enable ? seconds(initialDelay) : -1;
    this[STATE].keepAlive = after;
    if (this._handle && !this.connecting && after !== (before ?? -1)) this._handle.setKeepAlive?.(Boolean(enable), Math.max(after, 0));
    return this;
  },

  /** @this {NetSocket} */
  address() {
    return this._getsockname();
  },

  /** @this {NetSocket} */
  _getsockname() {
    if (!this._handle || this.connecting) return {};
    this[STATE].self ??= this._handle.address(false);
    return this[STATE].self;
  },

  /** @this {NetSocket} */
  _getpeername() {
    if (!this._handle || this.connecting) return this[STATE].peer ?? {};
    this[STATE].peer ??= this._handle.address(true);
    return this[STATE].peer;
  },

  /** @this {NetSocket} */
  ref() {
    if (!this._handle) return this.once('connect', this.ref);
    this._handle.ref();
    return this;
  },

  /** @this {NetSocket} */
  unref() {
    if (!this._handle) return this.once('connect', this.unref);
    this._handle.unref();
    return this;
  },

  // ---- reading ----

  /** @this {NetSocket} @param {number} count */
  _read(count) {
    if (this.connecting || !this._handle) this.once('connect', () => this._read(count));
    else this._handle.readStart();
  },

  /** @this {NetSocket} @param {number} [count] */
  read(count) {
    const { onread } = this[STATE];
    if (onread && !this.connecting) resumeReading(this, onread);
    return Duplex.prototype.read.call(this, count);
  },

  /** @this {NetSocket} */
  pause() {
    const { onread } = this[STATE];
    if (onread && !this.connecting && this._handle) pauseReading(this, onread);
    return Duplex.prototype.pause.call(this);
  },

  /** @this {NetSocket} */
  resume() {
    const { onread } = this[STATE];
    if (onread && !this.connecting) resumeReading(this, onread);
    return Duplex.prototype.resume.call(this);
  },

  // ---- writing ----

  /** @this {NetSocket} @param {any} data @param {any} encoding @param {any} callback */
  _write(data, encoding, callback) {
    if (this.connecting) return void writeLater(this, data, encoding, () => this._write(data, encoding, callback), callback);
    send(this, [bytesOf(data, encoding)], callback);
  },

  /** @this {NetSocket} @param {any[]} chunks @param {any} callback */
  _writev(chunks, callback) {
    if (this.connecting) return void writeLater(this, chunks, '', () => this._writev(chunks, callback), callback);
    send(this, chunks.map(({ chunk, encoding }) => bytesOf(chunk, encoding)), callback);
  },

  /** Ends the writing side. @this {NetSocket} @param {(error?: Error) => void} callback */
  _final(callback) {
    if (this.connecting) return void this.once('connect', () => this._final(callback));
    if (!this._handle) return callback();
    this._handle.shutdown(callback);
  },

  // ---- ending ----

  /** @this {NetSocket} */
  destroySoon() {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', this.destroy);
  },

  /** @this {NetSocket} */
  resetAndDestroy() {
    if (!this._handle) {
      this.destroy(coded(Error, 'ERR_SOCKET_CLOSED', 'Socket is closed'));
      return this;
    }
    if (this._handle.isPipe) throw coded(/** @type {any} */ (TypeError), 'ERR_INVALID_HANDLE_TYPE', 'This handle type cannot be sent');
    if (this.connecting) this.once('connect', () => this._reset());
    else this._reset();
    return this;
  },

  /** @this {NetSocket} */
  _reset() {
    this[STATE].isResetting = true;
    return this.destroy();
  },

  /** @this {NetSocket} @param {Error | null} error @param {(error: Error | null) => void} callback */
  _destroy(error, callback) {
    this.connecting = false;
    clearTimeout(this[STATE].timer);
    this[STATE].timer = null;
    this[STATE].onread = null;
    const { _handle: handle } = this;
    if (handle) {
      this._handle = null;
      this._sockname = null;
      if (this[STATE].isResetting) handle.reset();
      else handle.close();
      whenClosed(() => closed(this, handle, Boolean(error)));
      callback(error);
    } else {
      callback(error);
      process.nextTick(() => this.emit('close'));
    }
    leaveServer(this);
  },

  /** Another attempt has a handle of its own. @this {NetSocket} */
  _renewHandle() {
    this._handle?.close();
    const isRef = this._handle?.hasRef() ?? true;
    this._handle = new Handle(ownerOf(this), false);
    if (!isRef) this._handle.unref();
  },
};

/**
 * Takes a socket that was used before, or never.
 * @param {NetSocket} socket
 * @param {boolean} isPipe
 */
function renew(socket, isPipe) {
  socket._undestroy();
  socket[STATE].isResetting = false;
  socket[STATE].peer = undefined;
  socket[STATE].self = undefined;
  socket[STATE].read = 0;
  socket._bytesDispatched = 0;
  socket._handle = new Handle(ownerOf(socket), isPipe);
  const { onread } = socket[STATE];
  if (onread) onread.next = onread.make();
}

/**
 * @param {any} options
 * @param {unknown} path
 */
function checkConnect(options, path) {
  if (path || options.port !== undefined) return;
  throw coded(/** @type {any} */ (TypeError), 'ERR_MISSING_ARGS', 'The "options" or "port" or "path" argument must be specified');
}

/**
 * @param {NetSocket} socket
 * @param {any} options
 */
function setConnecting(socket, options) {
  socket._unrefTimer();
  socket.connecting = true;
  if (options.noDelay) socket[STATE].noDelay = true;
  if (options.keepAlive) socket[STATE].keepAlive = seconds(options.keepAliveInitialDelay);
}

/** @param {NetSocket} socket */
function timedOut(socket) {
  const { _handle: handle } = socket;
  const sent = handle?.bytesSent ?? 0;
  if (handle?.isWriting && sent !== socket[STATE].sentAt) {
    // The peer takes what it is sent.
    socket[STATE].sentAt = sent;
    return socket._unrefTimer();
  }
  socket[STATE].sentAt = sent;
  socket.emit('timeout');
}

/**
 * @param {any} data
 * @param {any} encoding
 * @returns {Buffer}
 */
const bytesOf = (data, encoding) => (typeof data === 'string' ? Buffer.from(data, encoding) : data);

/**
 * Writes when the connection is there.
 * @param {NetSocket} socket
 * @param {any} data
 * @param {any} encoding
 * @param {() => void} write
 * @param {(error: Error) => void} callback
 */
function writeLater(socket, data, encoding, write, callback) {
  socket._pendingData = data;
  socket._pendingEncoding = encoding;
  const onClose = () => callback(coded(Error, 'ERR_SOCKET_CLOSED_BEFORE_CONNECTION', 'Socket closed before the connection was established'));
  socket.once('close', onClose);
  socket.once('connect', () => {
    socket.off('close', onClose);
    socket._pendingData = null;
    socket._pendingEncoding = '';
    write();
  });
}

/**
 * @param {NetSocket} socket
 * @param {Buffer[]} parts
 * @param {(error?: Error | null) => void} callback
 */
function send(socket, parts, callback) {
  const { _handle: handle } = socket;
  if (!handle) return callback(coded(Error, 'ERR_SOCKET_CLOSED', 'Socket is closed'));
  socket._unrefTimer();
  const length = parts.length === 1 ? /** @type {Buffer} */ (parts[0]).length : parts.reduce((sum, part) => sum + part.length, 0);
  socket._bytesDispatched += length;
  handle.write(parts, length, callback);
  if (handle.isWriting) noteSentSoon(socket);
}

/** What the kernel takes at once is no progress later. @param {NetSocket} socket */
function noteSentSoon(socket) {
  if (socket[STATE].timer !== null) setImmediate(noteSent, socket);
}

/** Bytes have left: the time-out begins anew. @param {NetSocket} socket */
function noteSent(socket) {
  if (socket[STATE].timer === null) return;
  socket[STATE].sentAt = socket._handle?.bytesSent ?? 0;
  socket._unrefTimer();
}

/**
 * The handle has closed.
 * @param {NetSocket} socket
 * @param {Handle} handle
 * @param {boolean} hadError
 */
function closed(socket, handle, hadError) {
  handle.failWrite(systemError(ECANCELED, 'write'));
  socket.emit('close', hadError);
}

/** @param {NetSocket} socket */
function leaveServer(socket) {
  const server = socket._server;
  if (!server) return;
  socket._server = null;
  server._connections -= 1;
  server._emitCloseIfDrained();
}

/** @param {NetSocket} socket */
function bytesWaiting(socket) {
  const pending = socket._pendingData;
  const chunks = [...(socket.writableBuffer ?? []), ...(Array.isArray(pending) ? pending : [])];
  const sum = chunks.reduce((/** @type {number} */ total, /** @type {any} */ { chunk, encoding }) => total + lengthOf(chunk, encoding), 0);
  return sum + (pending === null || Array.isArray(pending) ? 0 : lengthOf(pending, socket._pendingEncoding));
}

/**
 * @param {any} chunk
 * @param {any} encoding
 */
const lengthOf = (chunk, encoding) => (typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.length);

/** @type {Record<string, (this: NetSocket) => unknown>} */
const getters = {
  _connecting() {
    return this.connecting;
  },
  bytesRead() {
    return this[STATE]?.read;
  },
  bytesWritten() {
    // Of the prototype, which somebody looks through.
    if (this[STATE] === undefined) return undefined;
    return this._bytesDispatched + bytesWaiting(this);
  },
  bufferSize() {
    return this._handle ? this.writableLength : undefined;
  },
  pending() {
    return !this._handle || this.connecting;
  },
  readyState() {
    if (this.connecting) return 'opening';
    if (this.readable && this.writable) return 'open';
    if (this.readable) return 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  },
  remoteAddress() {
    return this._getpeername().address;
  },
  remotePort() {
    return this._getpeername().port;
  },
  remoteFamily() {
    return this._getpeername().family;
  },
  localAddress() {
    return this._getsockname().address;
  },
  localPort() {
    return this._getsockname().port;
  },
  localFamily() {
    return this._getsockname().family;
  },
};

for (const [name, value] of Object.entries(methods)) {
  Object.defineProperty(Socket.prototype, name, { value, configurable: true, writable: true });
}
for (const [name, get] of Object.entries(getters)) {
  Object.defineProperty(Socket.prototype, name, { get, configurable: true, enumerable: true });
}

/**
 * A socket that connects.
 * @param {any[]} args as `Socket.connect` has them
 * @returns {NetSocket}
 */
function connect(...args) {
  const given = normalized(args);
  const [options] = given;
  if (options.autoSelectFamily != null) expectBoolean(options.autoSelectFamily, 'options.autoSelectFamily');
  const socket = new /** @type {any} */ (Socket)(options);
  if (made.hasSubscribers) made.publish({ socket });
  if (options.timeout) socket.setTimeout(options.timeout);
  return socket.connect(given);
}

module.exports = { Socket, connect, seconds };
