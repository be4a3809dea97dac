/**
 * A server of the addon, with its calls by id.
 */
export type NativeServer = import("../types/native.js").NativeServer & import("../types/native.js").Calls;
/** A connection. The same object in all its callbacks; it may be kept, and used at any time. */
export class Conn {
    /**
     * @hideconstructor
     * @param {NativeServer} native
     * @param {ConnId} id
     */
    constructor(native: NativeServer, id: ConnId);
    /**
     * Yours: the engine does not touch it.
     * @type {any}
     */
    data: any;
    /** The id, for `server.write` and `server.close`. Always the same object. */
    get id(): ConnId;
    /** Whether the connection takes writes. */
    get isOpen(): boolean;
    /**
     * Queues a copy of the bytes; a string is sent as UTF-8. They leave when the handler is done with its turn.
     * @param {Uint8Array | string} data
     * @returns {boolean} true: go on writing; false: the bytes are accepted, but the queue is above the high-water mark,
     *   better wait for `onDrain`
     * @throws {ReactorError} `CLOSED` if the connection is closed or closing, `FULL` if the queue would exceed the hard
     *   limit, which closes the connection unless `keepOnOverflow` is set, or the server its byte budget; then nothing is
     *   queued
     */
    write(data: Uint8Array | string): boolean;
    /**
     * Closes the connection: from now on writes throw `CLOSED`; what is queued is sent, and no more input is delivered;
     * then comes `onClose`.
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing already
     */
    close(): void;
    #private;
}
/**
 * @param {NativeServer} native
 * @param {ConnId} id
 */
export function close(native: NativeServer, id: ConnId): void;
/**
 * A server of the addon, with its calls by id.
 * @typedef {import('../types/native.js').NativeServer & import('../types/native.js').Calls} NativeServer
 */
/** @type {(conn: Conn) => boolean} */
export let isClosing: (conn: Conn) => boolean;
/** @type {(conn: Conn) => void} */
export let setClosing: (conn: Conn) => void;
/**
 * @param {NativeServer} native
 * @param {ConnId} id
 * @param {Uint8Array | string} data
 * @returns {boolean}
 */
export function write(native: NativeServer, id: ConnId, data: Uint8Array | string): boolean;
import { ConnId } from "./conn_id.js";
