export type Handler = import("./handler.js").Handler;
/** Calls the user's callbacks, does what they answer, and reports those that fail. It never throws. */
export class Dispatcher {
    /**
     * @param {import('./conn.js').NativeServer} nativeServer
     * @param {Handler} handler
     */
    constructor(nativeServer: import("./conn.js").NativeServer, handler: Handler);
    /**
     * Calls the callbacks for a log.
     * @param {Uint32Array} words five for each record: kind, high and low half of the connection's id, and two more
     * @param {Buffer} bytes lent by the addon until this returns, unless they are those of one record
     */
    deliver(words: Uint32Array, bytes: Buffer): void;
    /**
     * Calls one callback, if there is one.
     * @template {'onOpen' | 'onData' | 'onDrain' | 'onClose' | 'onStop'} Name
     * @param {Conn | null} conn
     * @param {Name} name
     * @param {Parameters<Required<Handler>[Name]>} args
     */
    call<Name extends "onOpen" | "onData" | "onDrain" | "onClose" | "onStop">(conn: Conn | null, name: Name, ...args: Parameters<Required<Handler>[Name]>): void;
    /**
     * Does what a callback asks for, now or when its promise is settled.
     * @param {Conn | null} conn
     * @param {string} name
     * @param {unknown} answer
     */
    answered(conn: Conn | null, name: string, answer: unknown): void;
    /**
     * Notes that a connection was closed by its id.
     * @param {ConnId} id
     */
    closed(id: ConnId): void;
    #private;
}
/**
 * The action that a callback returned. What `write` returns is none, so that `(conn, data) => conn.write(data)` works.
 * @param {string} name
 * @param {unknown} answer
 * @returns {number}
 */
export function actionOf(name: string, answer: unknown): number;
/**
 * @param {unknown} value
 * @returns {value is PromiseLike<unknown>}
 */
export function isThenable(value: unknown): value is PromiseLike<unknown>;
import { Conn } from "./conn.js";
import { ConnId } from "./conn_id.js";
