// A socket's connection in the engine.
'use strict';

const { AsyncResource } = require('node:async_hooks');

const { rethrow } = require('./closing.js');
const { theEngine } = require('./engine.js');
const { systemError } = require('./errors.js');

/** @typedef {import('../conn.js').Conn} Conn */

/** Bytes that may lie with the engine while their writes count as done: so small ones leave together, and cost no answer each. */
const SOON = 256 << 10;
/** Bytes that the engine is given at a time of a large write. The rest stays the user's memory. */
const PIECE = 1 << 20;

const NOTHING = Buffer.alloc(0);
/** How long a process waits for the peer of what it has closed to take more, in milliseconds. */
const PATIENCE = 1000;
/** The longest that the kernel waits with the first probe, in seconds. */
const LONGEST = 32_767;
const [EBADF, EPIPE, EALREADY] = [9, 32, 114];

/**
 * Whom a handle tells.
 * @typedef {object} Owner
 * @property {(error: Error | null) => void} onConnected
 * @property {(data: Buffer) => void} onReceived
 * @property {() => void} onEnded
 * @property {(error: Error | null) => void} onBroken
 * @property {() => void} onProgress bytes have left
 */

/** Whom a connection tells that nobody has taken, or that was closed. @type {Owner} */
const NOBODY = { onConnected() {}, onReceived() {}, onEnded() {}, onBroken() {}, onProgress() {} };

/** A connection that is being made, or is there: what a socket has instead of libuv's handle. */
class Handle {
  /** @type {Conn | undefined} */
  #conn;
  /** @type {Owner} */
  #owner;
  #engine = theEngine();
  #resource = new AsyncResource('ReactorSocket');
  #isRef = true;
  /** The engine is kept alive for it. */
  #isKept = false;
  #isClosed = false;
  /** It is connected. */
  #isMade = false;
  /** Ends when the peer of what is closed has had the time to take something. @type {NodeJS.Timeout | undefined} */
  #patience;
  /** Bytes that the engine has, whose writes count as done. */
  #soon = 0;
  /** Ends a write that waits. @type {((error?: Error | null) => void) | undefined} */
  #written;
  /** Whether it is to be read. */
  reading = true;
  #isMapped = false;
  /** The engine does not read it. */
  #isPaused = false;

  /**
   * @param {Owner} owner
   * @param {boolean} isPipe
   */
  constructor(owner, isPipe) {
    this.#owner = owner;
    /** Of a Unix socket. */
    this.isPipe = isPipe;
    /** The descriptor: the engine keeps it for itself. */
    this.fd = -1;
  }

  /** @param {Owner} owner */
  belongsTo(owner) {
    this.#owner = owner;
  }

  // ---- from and to the engine ----

  /**
   * Connects.
   * @param {string} url
   * @param {import('../terms.js').ConnectOptions} options
   */
  connect(url, options) {
    // One that is connected stays so; its owner hears of it once more.
    if (this.#conn && this.#isMade) return void process.nextTick(() => this.opened());
    if (this.#conn) throw systemError(EALREADY, 'connect');
    this.#begin(this.#engine.server.connect(url, { ...options, timeoutMs: null, halfOpen: true, context: this }));
  }

  /** @param {number} descriptor of a connected stream, of which it has a copy */
  enroll(descriptor) {
    this.#isMade = true;
    this.#begin(this.#engine.server.enroll(descriptor, { halfOpen: true, context: this }));
  }

  /**
   * @param {Conn} conn that has come in
   * @param {boolean} isMapped by an IPv6 socket, which has clients of IPv4, too
   */
  accept(conn, isMapped) {
    conn.data = this;
    this.#isMade = true;
    this.#isMapped = isMapped;
    this.#begin(conn);
    return this;
  }

  /** @param {Conn} conn */
  #begin(conn) {
    this.#conn = conn;
    this.#keep();
  }

  #end() {
    this.#conn = undefined;
    this.#isMade = false;
    clearTimeout(this.#patience);
    this.#keep();
  }

  /** The process lives for what is read, or written, or being closed; as with libuv not for what waits for nothing. */
  #keep() {
    const isBusy = this.reading || this.#isClosed || this.#written !== undefined;
    const isKept = this.#isRef && this.#conn !== undefined && isBusy;
    if (isKept === this.#isKept) return;
    this.#isKept = isKept;
    if (isKept) this.#engine.keep();
    else this.#engine.letGo();
  }

  opened() {
    this.#isMade = true;
    this.#tell(() => this.#owner.onConnected(null));
  }

  /** @param {Buffer} data */
  received(data) {
    try {
      this.#resource.runInAsyncScope(this.#owner.onReceived, this.#owner, data);
    } catch (error) {
      rethrow(error);
    }
  }

  ended() {
    this.#tell(() => this.#owner.onEnded());
  }

  /**
   * The connection is gone.
   * @param {string} reason
   * @param {number} errno
   */
  closed(reason, errno) {
    this.#end();
    if (reason === 'connect failed' || reason === 'time-out') this.#failed(reason, errno);
    else if (reason === 'eof' || reason === 'local close' || reason === 'abort') this.#tell(() => this.#owner.onBroken(null));
    else this.#tell(() => this.#owner.onBroken(broken(errno)));
  }

  /**
   * @param {string} reason
   * @param {number} errno
   */
  #failed(reason, errno) {
    const ETIMEDOUT = 110;
    const error = systemError(errno || ETIMEDOUT, reason === 'time-out' ? 'read' : 'connect');
    this.#tell(() => (reason === 'time-out' ? this.#owner.onBroken(error) : this.#owner.onConnected(error)));
  }

  /** @param {() => void} call */
  #tell(call) {
    try {
      this.#resource.runInAsyncScope(call);
    } catch (error) {
      rethrow(error);
    }
  }

  // ---- reading ----

  readStop() {
    this.reading = false;
    this.settleReading();
  }

  readStart() {
    if (this.reading) return;
    this.reading = true;
    this.settleReading();
  }

  /** The engine does what `reading` says. */
  settleReading() {
    this.#keep();
    if (this.reading !== this.#isPaused) return;
    this.#isPaused = !this.reading;
    this.#ask((conn) => (this.reading ? conn.resume() : conn.pause()));
  }

  /**
   * It may be gone in the engine, which is told of later.
   * @template T
   * @param {(conn: Conn) => T} call
   * @returns {T | undefined}
   */
  #ask(call) {
    try {
      return this.#conn && call(this.#conn);
    } catch (error) {
      return noneIfClosed(error);
    }
  }

  // ---- writing ----

  /**
   * Writes pieces, in order. One write at a time.
   * @param {Buffer[]} parts
   * @param {number} length of all of them
   * @param {(error?: Error | null) => void} done
   */
  write(parts, length, done) {
    if (!this.#isClosed && this.#soon + length <= SOON && this.#writeSoon(parts)) {
      this.#soon += length;
      return done();
    }
    if (this.#isClosed) return done(systemError(EBADF, 'write'));
    this.#written = done;
    this.#keep();
    this.#writeOn(pieces(parts, length), 0);
  }

  /** @param {Buffer[]} parts */
  #writeSoon(parts) {
    const conn = this.#conn;
    if (!conn) return false;
    try {
      if (parts.length === 1) conn.write(/** @type {Buffer} */ (parts[0]));
      else conn.writev(parts);
      return true;
    } catch (error) {
      return noneIfClosed(error) ?? false;
    }
  }

  /**
   * One piece after the other, each when the kernel has taken the one before.
   * @param {Buffer[][]} list
   * @param {number} at
   */
  #writeOn(list, at) {
    const piece = list[at];
    if (!piece) return this.#finishWrite();
    const taken = (/** @type {unknown} */ error) => {
      // Who is told of the connection's end ends the write, too.
      if (error || !this.#written) return;
      this.#owner.onProgress();
      this.#writeOn(list, at + 1);
    };
    this.#ask((conn) => (conn.writev(piece, taken), true));
  }

  #finishWrite() {
    const done = this.#written;
    this.#written = undefined;
    this.#soon = 0;
    this.#keep();
    if (done) this.#tell(() => done());
  }

  /**
   * Ends the write that waits, if there is one.
   * @param {Error} error
   */
  failWrite(error) {
    const done = this.#written;
    this.#written = undefined;
    done?.(error);
  }

  /** Whether a write waits for the kernel. */
  get isWriting() {
    return this.#written !== undefined;
  }

  /**
   * Shuts the writing side down, behind what was written.
   * @param {() => void} done
   */
  shutdown(done) {
    const asked = this.#ask((conn) => {
      conn.write(NOTHING, () => this.#tell(done));
      // It may go in between; then the write tells of it, too.
      this.#ask(() => conn.end());
      return true;
    });
    if (!asked) process.nextTick(done);
  }

  // ---- ending ----

  /** Closes it. What the engine has is sent, unless a write waits, which is cut. */
  close() {
    if (this.#isClosed) return;
    this.#leave();
    this.#ask((conn) => (this.isWriting ? conn.abort() : this.#finish(conn)));
  }

  /** Resets it. */
  reset() {
    this.#leave();
    this.#ask((conn) => conn.abort());
  }

  /** Its owner is done with it, and may have another by the time it ends. */
  #leave() {
    this.#isClosed = true;
    this.#owner = NOBODY;
    this.#keep();
  }

  /**
   * Closes it behind what is queued.
   * @param {Conn} conn
   */
  #finish(conn) {
    const { queuedBytes, bytesSent } = conn.info();
    conn.close();
    if (queuedBytes > 0) this.#waitForPeer(bytesSent);
  }

  /**
   * The process does not live for a peer that takes nothing more.
   * @param {number} before bytes that the kernel had taken
   */
  #waitForPeer(before) {
    const look = () => {
      const { bytesSent } = this;
      if (bytesSent > before) this.#waitForPeer(bytesSent);
      else this.unref();
    };
    this.#patience = setTimeout(look, PATIENCE).unref();
  }

  // ---- the rest ----

  ref() {
    this.#isRef = true;
    this.#keep();
  }

  unref() {
    this.#isRef = false;
    this.#keep();
  }

  hasRef() {
    return this.#isRef;
  }

  getAsyncId() {
    return this.#resource.asyncId();
  }

  /** Whether it has a connection. */
  get isOpen() {
    return this.#conn !== undefined;
  }

  /** Bytes that the kernel took. */
  get bytesSent() {
    return this.#ask((conn) => conn.info().bytesSent) ?? 0;
  }

  /** @param {boolean} on */
  setNoDelay(on) {
    this.#setOptions({ nodelay: on });
  }

  /**
   * @param {boolean} on
   * @param {number} seconds 0: the system's
   */
  setKeepAlive(on, seconds) {
    this.#setOptions({ keepalive: keepAlive(on, seconds) });
  }

  /**
   * What the kernel refuses stays as it was, as with Node: the peer's doing is no error of the caller's.
   * @param {import('../terms.js').SocketOptions} options
   */
  #setOptions(options) {
    try {
      if (!this.isPipe) this.#conn?.setOptions(options);
    } catch {
      // So it is.
    }
  }

  /** @param {boolean} ofPeer */
  address(ofPeer) {
    const found = this.#ask((conn) => ofPeer
      ? addressOf(conn.remoteAddress, conn.remotePort, conn.remoteFamily)
      : addressOf(conn.localAddress, conn.localPort, conn.localFamily)) ?? {};
    if (!this.#isMapped || found.family !== 'IPv4') return found;
    return { ...found, address: `::ffff:${found.address}`, family: 'IPv6' };
  }
}

/**
 * @param {any} error
 * @returns {undefined}
 */
function noneIfClosed(error) {
  if (error?.code !== 'CLOSED') throw error;
}

/**
 * @param {string | undefined} address
 * @param {number | undefined} port
 * @param {string | undefined} family
 */
function addressOf(address, port, family) {
  /** @type {{ address?: string, port?: number, family?: string | undefined }} */
  const found = address === undefined || port === undefined ? {} : { address, family, port };
  return found;
}

/**
 * What the engine takes for it: seconds between probes are those that Node sets. What the kernel does not take is the system's.
 * @param {boolean} on
 * @param {number} seconds
 */
const keepAlive = (on, seconds) => (on && seconds > 0 && seconds <= LONGEST ? [seconds, 1, 10] : on);

/** @param {number} errno */
function broken(errno) {
  const ECONNRESET = 104;
  return systemError(errno || ECONNRESET, errno === EPIPE ? 'write' : 'read');
}

/**
 * Bytes in pieces of at most so many, each of one part or of several.
 * @param {Buffer[]} parts
 * @param {number} length
 * @returns {Buffer[][]}
 */
function pieces(parts, length) {
  if (length <= PIECE) return [parts];
  const list = [];
  /** @type {Buffer[]} */
  let piece = [];
  let room = PIECE;
  for (const part of parts) {
    for (let at = 0; at < part.length; ) {
      const taken = part.subarray(at, at + room);
      piece.push(taken);
      at += taken.length;
      room -= taken.length;
      if (room > 0) continue;
      list.push(piece);
      piece = [];
      room = PIECE;
    }
  }
  if (piece.length > 0) list.push(piece);
  return list;
}

module.exports = { Handle, NOBODY };
