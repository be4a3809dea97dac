export type Handler = import("./handler.js").Handler;
export type Entry = import("./table.js").Entry;
/** Tells the user's callbacks what the engine has told. It never throws. */
export class Dispatcher {
    /**
     * @param {import('./conn.js').NativeServer} nativeServer
     * @param {Handler} handler
     * @param {boolean} isSilent the log is off
     * @param {boolean} isInline nothing is on its way while no callback runs
     */
    constructor(nativeServer: import("./conn.js").NativeServer, handler: Handler, isSilent: boolean, isInline: boolean);
    callbacks: Callbacks;
    /** Other threads may ask for something. */
    isReached: boolean;
    /** Where the addon puts a log that fits. */
    memory: {
        words: Uint32Array<ArrayBuffer>;
        bytes: Buffer<ArrayBuffer>;
    };
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
     * Asks the engine to come back to something.
     * @param {(token: number) => import('../types/native.js').Failure | null} ask
     * @param {() => unknown} call
     */
    run(ask: (token: number) => import("../types/native.js").Failure | null, call: () => unknown): import("../types/native.js").Failure | null;
    /** @param {number} token */
    ran(token: number): void;
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
import { Callbacks } from "./callbacks.js";
import { ConnId } from "./conn_id.js";
import { Conn } from "./conn.js";
