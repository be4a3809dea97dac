'use strict';

const { bytesOf, partsOf, shown, wholeNumber } = require('./check.js');
const { infoFrom } = require('./conn.js');
const { ConnId, connId } = require('./conn_id.js');
const { addressText } = require('./datagram.js');
const { ReactorError, errorOf } = require('./error.js');
const native = require('./addon.js');
const { metricsOf } = require('./metrics.js');
const { milliseconds } = require('./timer.js');

/** @typedef {import('../types/native.js').Failure} Failure */
/** @typedef {import('./conn.js').ConnInfo} ConnInfo */
/** @typedef {import('./metrics.js').Metrics} Metrics */
/** @typedef {NodeJS.ArrayBufferView | string} Data */

/** What tokens begin with: those of another process are none here. */
const PROCESS = `${process.pid}:`;

/**
 * A server as every thread of the process reaches it, by the ids of its connections. `server.handle` is one. It goes to a Worker by
 * `postMessage` or `workerData`, where {@link ServerHandle.from} makes one of what arrives. A call is carried out by the connection's
 * loop; those of one thread come in order. `pause`, `resume`, `hold`, `release` and `detach` are carried out, in order, when the server's own
 * thread comes to them, which it does before it makes such a call itself; until then input may still be delivered. It keeps neither the server nor the thread alive.
 */
class ServerHandle {
  #native;

  /**
   * @hideconstructor
   * @param {string} token
   */
  constructor(token) {
    /** What is cloned of it. @readonly */
    this.token = token;
    Object.freeze(this);
    const reached = native.reach(numberOf(token));
    if ('code' in reached) throw errorOf(reached);
    this.#native = Object.assign(reached, reached.calls());
  }

  /**
   * A handle from what `postMessage` or `structuredClone` made of one, or from its token.
   * @param {{ token: string } | string} cloned what has arrived
   * @returns {ServerHandle} of the same server
   * @throws {ReactorError} `STOPPED` if the server is gone, `INVALID_ARGUMENT` for what is no handle of this process's
   */
  static from(cloned) {
    const token = typeof cloned === 'object' && cloned ? cloned.token : cloned;
    return new ServerHandle(token);
  }

  /** Whether the server is still there: it has not stopped, and the thread that has it lives. */
  get isThere() {
    return this.#native.isThere;
  }

  /**
   * Whether a connection takes writes.
   * @param {ConnId} id of the connection, or what was cloned of it
   * @returns {boolean} false also of one that is gone
   */
  isOpen(id) {
    return this.#native.isOpen(...halves(id));
  }

  /**
   * The ids of the connections that are open.
   * @returns {ConnId[]} loop by loop
   * @throws {ReactorError} `STOPPED` if the server is gone
   */
  connectionIds() {
    const found = this.#native.connectionIds();
    if (!Array.isArray(found)) throw errorOf(found);
    return Array.from({ length: found.length / 2 }, (_, at) => new ConnId(found[2 * at] ?? 0, found[2 * at + 1] ?? 0));
  }

  /**
   * What can be read of a connection now, as `conn.info` does.
   * @param {ConnId} id of the connection, or what was cloned of it
   * @returns {ConnInfo} a snapshot
   * @throws {ReactorError} `CLOSED` if it is gone
   */
  info(id) {
    const info = this.#native.info(...halves(id));
    if ('code' in info) throw errorOf(info);
    return infoFrom(info);
  }

  /**
   * What happened so far, as `server.metrics` does: also while the server's own thread is busy.
   * @param {number} [loop] the loop, from 0, that it is of. Absent: of the whole server
   * @returns {Metrics} a snapshot
   * @throws {ReactorError} `INVALID_ARGUMENT` for a loop that there is not, `STOPPED` if the server is gone
   */
  metrics(loop) {
    const snapshot = this.#native.metrics(loop === undefined ? null : wholeNumber(loop, 'loop', 2 ** 31));
    if ('code' in snapshot) throw errorOf(snapshot);
    return metricsOf(snapshot);
  }

  /**
   * Queues a copy of the bytes, as `conn.write` does.
   * @param {ConnId} id of the connection, or what was cloned of it
   * @param {Data} data a string is sent as UTF-8
   * @returns {boolean} false above the high-water mark
   * @throws {ReactorError} `CLOSED`, also if the server is gone, or `FULL`
   */
  write(id, data) {
    return accepted(this.#native.write(...halves(id), bytesOf(data)));
  }

  /**
   * Queues several pieces as one write, as `conn.writev` does.
   * @param {ConnId} id of the connection, or what was cloned of it
   * @param {readonly Data[]} parts what is sent, in order
   * @returns {boolean} false above the high-water mark
   * @throws {ReactorError} as {@link write}
   */
  writev(id, parts) {
    return accepted(this.#native.writev(...halves(id), partsOf(parts)));
  }

  /**
   * Writes one frame, as `conn.writeFrame` does.
   * @param {ConnId} id of the connection, or what was cloned of it
   * @param {Data} payload what the frame has
   * @returns {boolean} false above the high-water mark
   * @throws {ReactorError} as {@link write}, or `INVALID_ARGUMENT`
   */
  writeFrame(id, payload) {
    return accepted(this.#native.writeFrame(...halves(id), bytesOf(payload)));
  }

  /**
   * Sends a datagram from a UDP endpoint, as `conn.sendTo` does.
   * @param {ConnId} id of the connection, or what was cloned of it
   * @param {string | { address: string, port: number }} to `IP:PORT`, or these by themselves
   * @param {Data} data a string is sent as UTF-8
   * @returns {boolean} false above the high-water mark
   * @throws {ReactorError} as {@link write}, `INVALID_ARGUMENT` or `UNSUPPORTED`
   */
  sendTo(id, to, data) {
    return accepted(this.#native.sendTo(...halves(id), bytesOf(data), addressText(to)));
  }

  /**
   * Shuts the writing side of a connection down, as `conn.end` does.
   * @param {ConnId} id of the connection, or what was cloned of it
   * @returns {void}
   * @throws {ReactorError} `CLOSED`
   */
  end(id) {
    asked(this.#native.end(...halves(id)));
  }

  /**
   * Closes a connection, as `conn.close` does.
   * @param {ConnId} id of the connection, or what was cloned of it
   * @returns {void}
   * @throws {ReactorError} `CLOSED`
   */
  close(id) {
    asked(this.#native.close(...halves(id)));
  }

  /**
   * Resets a connection, as `conn.abort` does.
   * @param {ConnId} id of the connection, or what was cloned of it
   * @returns {void}
   * @throws {ReactorError} `CLOSED`
   */
  abort(id) {
    asked(this.#native.abort(...halves(id)));
  }

  /**
   * Takes a connection out of the engine, as `conn.detach` does: the server's own thread, when it comes to that, is given it, by
   * `onDetach`.
   * @param {ConnId} id of the connection, or what was cloned of it
   * @returns {void}
   * @throws {ReactorError} `CLOSED`, or `FULL` while 262,144 such calls wait for that thread
   */
  detach(id) {
    asked(this.#native.detach(...halves(id)));
  }

  /**
   * Stops reading a connection, as `conn.pause` does; when the server's own thread comes to it.
   * @param {ConnId} id of the connection, or what was cloned of it
   * @returns {void}
   * @throws {ReactorError} `CLOSED`, or `FULL` while 262,144 such calls wait for that thread
   */
  pause(id) {
    asked(this.#native.pause(...halves(id)));
  }

  /**
   * Reads it again, as `conn.resume` does; when the server's own thread comes to it.
   * @param {ConnId} id of the connection, or what was cloned of it
   * @returns {void}
   * @throws {ReactorError} `CLOSED`, or `FULL` while 262,144 such calls wait for that thread
   */
  resume(id) {
    asked(this.#native.resume(...halves(id)));
  }

  /**
   * Holds a connection, as `conn.hold` does; when the server's own thread comes to it.
   * @param {ConnId} id of the connection, or what was cloned of it
   * @returns {void}
   * @throws {ReactorError} `CLOSED`, or `FULL` while 262,144 such calls wait for that thread
   */
  hold(id) {
    asked(this.#native.holdConn(...halves(id)));
  }

  /**
   * Takes a hold back, whichever thread's, as `conn.release` does; when the server's own thread comes to it. What was written before is sent
   * before the connection ends.
   * @param {ConnId} id of the connection, or what was cloned of it
   * @returns {void}
   * @throws {ReactorError} `CLOSED`, `WRONG_STATE` if it is not held, or `FULL` as of {@link hold}
   */
  release(id) {
    asked(this.#native.releaseConn(...halves(id)));
  }

  /**
   * Has `onWake` called for a connection, on the server's own thread.
   * @param {ConnId} id of the connection, or what was cloned of it
   * @returns {void}
   * @throws {ReactorError} `CLOSED`
   */
  wake(id) {
    asked(this.#native.wake(...halves(id)));
  }

  /**
   * Asks the server to stop, as `server.stop` does, and does not wait for it.
   * @returns {void}
   * @throws {ReactorError} `STOPPED` if it is gone
   */
  stop() {
    asked(this.#native.stop());
  }

  /**
   * Asks the server to stop when its connections have finished, as `server.stopGracefully` does, and does not wait for it.
   * @param {number} [deadlineMs] milliseconds from now. 0 or absent: the `stopDeadlineMs` of the server
   * @returns {void}
   * @throws {ReactorError} `STOPPED` if it is gone
   */
  stopGracefully(deadlineMs = 0) {
    asked(this.#native.stopGracefully(milliseconds(deadlineMs, 'deadlineMs')));
  }
}

/**
 * The handle of a server of this thread.
 * @param {number} number
 */
const handleOf = (number) => new ServerHandle(PROCESS + number);

/**
 * @param {ConnId} id of the connection, or what was cloned of it
 * @returns {[number, number]}
 */
function halves(id) {
  const { high, low } = connId(id);
  return [high, low];
}

/** @param {unknown} token */
function numberOf(token) {
  const number = typeof token === 'string' && token.startsWith(PROCESS) ? Number(token.slice(PROCESS.length)) : NaN;
  if (Number.isInteger(number)) return number;
  throw new ReactorError('INVALID_ARGUMENT', `${shown(token)} is no handle of a server of this process's: server.handle is one`);
}

/** @param {boolean | Failure} done */
function accepted(done) {
  if (typeof done === 'boolean') return done;
  throw errorOf(done);
}

/** @param {Failure | null} failure */
function asked(failure) {
  if (failure) throw errorOf(failure);
}

module.exports = { ServerHandle, handleOf };
