export type Handler = import("./handler.js").Handler;
export type Input = import("./session.js").Input;
/**
 * A connection, and what the package keeps of it.
 */
export type Entry = {
    conn: Conn;
    session: Session;
};
/**
 * A connection, and what the package keeps of it.
 * @typedef {{ conn: Conn, session: Session }} Entry
 */
/** Calls the user's callbacks, does what they answer, and reports those that fail. It never throws. */
export class Dispatcher {
    /**
     * @param {import('./conn.js').NativeServer} nativeServer
     * @param {Handler} handler
     */
    constructor(nativeServer: import("./conn.js").NativeServer, handler: Handler);
    /** The server starts here: the contexts of its connections begin as this one. */
    starts(): void;
    /**
     * Calls the callbacks for a log.
     * @param {Uint32Array} words five for each record: kind, high and low half of the connection's id, and two more
     * @param {Buffer} bytes lent by the addon until this returns
     */
    deliver(words: Uint32Array, bytes: Buffer): void;
    /** @param {import('./server.js').Server} server */
    stopped(server: import("./server.js").Server): void;
    /**
     * Takes what onStart returned; says whether it refuses the start.
     * @param {unknown} answer
     * @returns {boolean}
     */
    refusesStart(answer: unknown): boolean;
    /**
     * The open connection with this id.
     * @param {ConnId} id
     * @returns {Session | undefined}
     */
    session(id: ConnId): Session | undefined;
    #private;
}
import { Conn } from "./conn.js";
import { Session } from "./session.js";
import { ConnId } from "./conn_id.js";
