'use strict';

const { ReactorError } = require('./error.js');

/** @typedef {import('./conn.js').Conn} Conn */
/** @typedef {import('./conn.js').ConnInfo} ConnInfo */
/** @typedef {import('./conn.js').Written} Written */
/** @typedef {import('./conn_id.js').ConnId} ConnId */

/**
 * Calls on connections by their ids: each does what the method of the same name of {@link Conn} does. What is not here, {@link conn} has.
 */
class ById {
  /**
   * The object of a connection, which has every call on it: the one that callbacks are given.
   * @abstract
   * @param {ConnId} id
   * @returns {Conn}
   * @throws {ReactorError} `CLOSED` if the connection is gone, or belongs to another server
   */
  conn(id) {
    throw new Error(`not implemented: ${id}`);
  }

  /**
   * Queues a copy of the bytes, as {@link Conn.write} does.
   * @param {ConnId} id
   * @param {NodeJS.ArrayBufferView | string} data
   * @param {Written} [callback]
   * @returns {boolean} false above the high-water mark
   * @throws {ReactorError} `CLOSED` or `FULL`
   */
  write(id, data, callback) {
    return this.conn(id).write(data, callback);
  }

  /**
   * Queues several pieces as one write, as {@link Conn.writev} does.
   * @param {ConnId} id
   * @param {readonly (NodeJS.ArrayBufferView | string)[]} parts
   * @param {Written} [callback]
   * @returns {boolean} false above the high-water mark
   * @throws {ReactorError} `CLOSED` or `FULL`
   */
  writev(id, parts, callback) {
    return this.conn(id).writev(parts, callback);
  }

  /**
   * Writes, and resolves when the kernel has taken it, as {@link Conn.writeAsync} does.
   * @param {ConnId} id
   * @param {NodeJS.ArrayBufferView | string | readonly (NodeJS.ArrayBufferView | string)[]} data
   * @returns {Promise<void>}
   */
  async writeAsync(id, data) {
    return this.conn(id).writeAsync(data);
  }

  /**
   * Writes one frame, as {@link Conn.writeFrame} does.
   * @param {ConnId} id
   * @param {NodeJS.ArrayBufferView | string} payload
   * @param {Written} [callback]
   * @returns {boolean} false above the high-water mark
   * @throws {ReactorError} `CLOSED`, `FULL` or `INVALID_ARGUMENT`
   */
  writeFrame(id, payload, callback) {
    return this.conn(id).writeFrame(payload, callback);
  }

  /**
   * Sends a datagram from a UDP endpoint, as {@link Conn.sendTo} does.
   * @param {ConnId} id
   * @param {string | { address: string, port: number } | import('./datagram.js').Datagram} to
   * @param {NodeJS.ArrayBufferView | string} data
   * @returns {boolean} false above the high-water mark
   * @throws {ReactorError} `CLOSED`, `FULL`, `INVALID_ARGUMENT` or `UNSUPPORTED`
   */
  sendTo(id, to, data) {
    return this.conn(id).sendTo(to, data);
  }

  /**
   * Shuts the writing side of a connection down, as {@link Conn.end} does.
   * @param {ConnId} id
   * @param {NodeJS.ArrayBufferView | string} [data] what to write before
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is closed or closing, or was ended before; what {@link Conn.write} throws, and then it goes on
   */
  end(id, data) {
    this.conn(id).end(data);
  }

  /**
   * Closes a connection, as {@link Conn.close} does.
   * @param {ConnId} id
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is closed or closing already
   */
  close(id) {
    this.conn(id).close();
  }

  /**
   * Takes a connection out of the engine, as {@link Conn.detach} does.
   * @param {ConnId} id
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is closed or closing, `UNSUPPORTED` for a UDP socket
   */
  detach(id) {
    this.conn(id).detach();
  }

  /**
   * Resets a connection, as {@link Conn.abort} does.
   * @param {ConnId} id
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is gone
   */
  abort(id) {
    this.conn(id).abort();
  }

  /**
   * Stops reading a connection, as {@link Conn.pause} does.
   * @param {ConnId} id
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is closed or closing
   */
  pause(id) {
    this.conn(id).pause();
  }

  /**
   * Reads a connection again, as {@link Conn.resume} does.
   * @param {ConnId} id
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is closed or closing
   */
  resume(id) {
    this.conn(id).resume();
  }

  /**
   * Holds a connection, as {@link Conn.hold} does.
   * @param {ConnId} id
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is closed or closing
   */
  hold(id) {
    this.conn(id).hold();
  }

  /**
   * Takes a hold back, as {@link Conn.release} does.
   * @param {ConnId} id
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is closed or closing, `WRONG_STATE` if it is not held
   */
  release(id) {
    this.conn(id).release();
  }

  /**
   * Has `onWake` called for a connection, as {@link Conn.wake} does.
   * @param {ConnId} id
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is closed or closing
   */
  wake(id) {
    this.conn(id).wake();
  }

  /**
   * Whether a connection takes writes. False also of one that is gone, or of another server.
   * @param {ConnId} id
   * @returns {boolean}
   */
  isOpen(id) {
    try {
      return this.conn(id).isOpen;
    } catch (error) {
      if (error instanceof ReactorError) return false;
      throw error;
    }
  }

  /**
   * What can be read of a connection, as {@link Conn.info} does.
   * @param {ConnId} id
   * @returns {ConnInfo}
   * @throws {ReactorError} `CLOSED` if it is gone
   */
  info(id) {
    return this.conn(id).info();
  }

  /**
   * Changes how the input of a connection is cut, as {@link Conn.setFraming} does.
   * @param {ConnId} id
   * @param {import('./framing.js').Framing | string | import('./framing.js').Measure | null} framing
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is closed or closing, `UNSUPPORTED` for one that this way of running cannot have
   */
  setFraming(id, framing) {
    this.conn(id).setFraming(framing);
  }

  /**
   * Changes when a connection is closed for want of traffic, as {@link Conn.setTimeouts} does.
   * @param {ConnId} id
   * @param {{ idle?: number, read?: number, write?: number }} timeouts
   * @returns {void}
   * @throws {ReactorError} `CLOSED` if it is closed or closing, `INVALID_ARGUMENT` for a time that is none
   */
  setTimeouts(id, timeouts) {
    this.conn(id).setTimeouts(timeouts);
  }

  /**
   * Sets options of a connection's socket, as {@link Conn.setOptions} does.
   * @param {ConnId} id
   * @param {import('./terms.js').SocketOptions} options
   * @returns {void}
   * @throws {ReactorError} `INVALID_ARGUMENT`, `SYSTEM`, or `CLOSED` if it is gone
   */
  setOptions(id, options) {
    this.conn(id).setOptions(options);
  }

  /**
   * Receives from a multicast group, too, as {@link Conn.joinMulticast} does.
   * @param {ConnId} id
   * @param {string} group
   * @returns {void}
   * @throws {ReactorError} as {@link setOptions}
   */
  joinMulticast(id, group) {
    this.conn(id).joinMulticast(group);
  }

  /**
   * No longer receives from a multicast group, as {@link Conn.leaveMulticast} does.
   * @param {ConnId} id
   * @param {string} group
   * @returns {void}
   * @throws {ReactorError} as {@link setOptions}
   */
  leaveMulticast(id, group) {
    this.conn(id).leaveMulticast(group);
  }

  /**
   * Who is at the other end of a Unix connection, as {@link Conn.peerCredentials} does.
   * @param {ConnId} id
   * @returns {import('./conn.js').Credentials}
   * @throws {ReactorError} `CLOSED` if it is gone, `SYSTEM` if it is no Unix socket
   */
  peerCredentials(id) {
    return this.conn(id).peerCredentials();
  }
}

module.exports = { ById };
