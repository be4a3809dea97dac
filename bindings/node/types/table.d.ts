/**
 * A connection, and what the package keeps of it.
 */
export type Entry = {
    conn: import("./conn.js").Conn;
    session: import("./session.js").Session;
};
/**
 * A connection, and what the package keeps of it.
 * @typedef {{ conn: import('./conn.js').Conn, session: import('./session.js').Session }} Entry
 */
/** The connections of a server. */
export class Table {
    /**
     * The newest has the place: of one that `connect` has made nothing is told before all of those that were there have begun and ended.
     * @param {Entry} entry
     */
    place(entry: Entry): void;
    /**
     * @param {number} high
     * @param {number} low
     * @returns {Entry | undefined}
     */
    find(high: number, low: number): Entry | undefined;
    /**
     * A connection is gone.
     * @param {Entry} entry
     */
    remove(entry: Entry): void;
    /** All are gone. */
    clear(): void;
    #private;
}
