export type Handler = import("./handler.js").Handler;
export type LogLevel = import("./handler.js").LogLevel;
export type Server = import("./server.js").Server;
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
     * @param {boolean} isSilent the log is off
     * @param {boolean} isInline nothing is on its way while no callback runs
     */
    constructor(nativeServer: import("./conn.js").NativeServer, handler: Handler, isSilent: boolean, isInline: boolean);
    /** Other threads may ask for something. */
    isReached: boolean;
    /** Where the addon puts a log that fits. */
    memory: {
        words: Uint32Array<ArrayBuffer>;
        bytes: Buffer<ArrayBuffer>;
    };
    /**
     * The server starts here: the contexts of its connections begin as this one.
     * @param {Server} server
     */
    starts(server: Server): void;
    /** What the engine is asked by: behind what was written before. */
    get engine(): import("./conn.js").NativeServer;
    /**
     * Calls the callbacks for a log.
     * @param {number} records
     * @param {number} length how many bytes it has
     * @param {Uint32Array} [words] five for each record: kind, high and low half of the connection's id, and two more; behind them
     *   whether writes may be gathered
     * @param {Buffer} [bytes] lent by the addon until this returns
     */
    deliver(records: number, length: number, words?: Uint32Array, bytes?: Buffer): void;
    stopped(): void;
    /**
     * Calls onTick.
     * @returns {Promise<{ answer?: number | null }>} milliseconds to the next; nothing if it has failed
     */
    tick(): Promise<{
        answer?: number | null;
    }>;
    /**
     * Calls a function of the user's that concerns no connection.
     * @template Given
     * @param {string} name
     * @param {(given: Given) => unknown} callback
     * @param {Given} given
     */
    call<Given>(name: string, callback: (given: Given) => unknown, given: Given): void;
    /**
     * Asks the engine to come back to something.
     * @param {(token: number) => import('../types/native.js').Failure | null} ask
     * @param {() => unknown} call
     */
    run(ask: (token: number) => import("../types/native.js").Failure | null, call: () => unknown): import("../types/native.js").Failure | null;
    /** @param {number} token */
    ran(token: number): void;
    /**
     * The engine says something.
     * @param {string} level
     * @param {string} message
     */
    told(level: string, message: string): void;
    /**
     * Takes what onStart returned; says whether it refuses the start.
     * @param {unknown} answer
     * @returns {boolean}
     */
    refusesStart(answer: unknown): boolean;
    /**
     * Something of the user's that is no callback has failed.
     * @param {string} name
     * @param {unknown} thrown
     */
    failed(name: string, thrown: unknown): void;
    /**
     * An id from its halves: of a connection that is known, always the same object.
     * @param {number} high
     * @param {number} low
     */
    id(high: number, low: number): ConnId;
    /**
     * Endpoints that are gone: nobody else tells of their end.
     * @param {ConnId[]} ids
     */
    forget(ids: ConnId[]): void;
    /**
     * A connection that this side has made. The engine can tell of it only when this thread is done.
     * @param {number} high
     * @param {number} low
     */
    made(high: number, low: number): Conn;
    /**
     * The connection with this id, unless it is gone. One that the engine has and has not told of yet is made.
     * @param {ConnId} id
     * @returns {Conn | undefined}
     */
    conn(id: ConnId): Conn | undefined;
    #private;
}
import { Conn } from "./conn.js";
import { Session } from "./session.js";
import { ConnId } from "./conn_id.js";
