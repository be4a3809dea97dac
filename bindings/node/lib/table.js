'use strict';

const { ConnId } = require('./conn_id.js');

/**
 * A connection, and what the package keeps of it.
 * @typedef {{ conn: import('./conn.js').Conn, session: import('./session.js').Session }} Entry
 */

/** The connections of a server. */
class Table {
  /**
   * By the low half of their ids, which in the engine no two have at once.
   * @type {Map<number, Entry>}
   */
  #entries = new Map();
  /**
   * Those by their ids that have ended in the engine, which is not told of here yet, and whose low half a newer one has already.
   * @type {Map<string, Entry>}
   */
  #replaced = new Map();

  /**
   * The newest has the place: of one that `connect` has made nothing is told before all of those that were there have begun and ended.
   * @param {Entry} entry
   */
  place(entry) {
    const { low } = entry.conn.id;
    const other = this.#entries.get(low);
    const older = other && other.conn.id.high > entry.conn.id.high ? entry : other;
    if (older) this.#replaced.set(String(older.conn.id), older);
    if (older !== entry) this.#entries.set(low, entry);
  }

  /**
   * @param {number} high
   * @param {number} low
   * @returns {Entry | undefined}
   */
  find(high, low) {
    const entry = this.#entries.get(low);
    if (entry === undefined || entry.conn.id.high === high) return entry;
    return this.#replaced.get(String(new ConnId(high, low)));
  }

  /**
   * A connection is gone.
   * @param {Entry} entry
   */
  remove(entry) {
    const { id } = entry.conn;
    if (this.#entries.get(id.low) === entry) this.#entries.delete(id.low);
    else this.#replaced.delete(String(id));
    entry.session.drop();
  }

  /** All are gone. */
  clear() {
    for (const { session } of [...this.#entries.values(), ...this.#replaced.values()]) session.drop();
    this.#entries.clear();
    this.#replaced.clear();
  }
}

module.exports = { Table };
