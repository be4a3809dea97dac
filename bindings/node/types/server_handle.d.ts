export type Failure = import("../types/native.js").Failure;
export type ConnInfo = import("./conn.js").ConnInfo;
export type Metrics = import("./metrics.js").Metrics;
export type Data = NodeJS.ArrayBufferView | string;
/**
 * A server as every thread of the process reaches it, by the ids of its connections. `server.handle` is one. It goes to a Worker by
 * `postMessage` or `workerData`, where {@link ServerHandle.from} makes one of what arrives. A call is carried out by the connection's
 * loop; those of one thread come in order. `pause`, `resume`, `hold`, `release` and `detach` are carried out, in order, when the server's own
 * thread comes to them, which it does before it makes such a call itself; until then input may still be delivered. It keeps neither the server nor the thread alive.
 */
export class ServerHandle {
    /**
     * A handle from what `postMessage` or `structuredClone` made of one, or from its token.
     * @param {{ token: string } | string} cloned what has arrived
     * @returns {ServerHandle} of the same server
     * @throws {ReactorError} `STOPPED` if the server is gone, `INVALID_ARGUMENT` for what is no handle of this process's
     */
    static from(cloned: {
        token: string;
    } | string): ServerHandle;
    /**
     * @hideconstructor
     * @param {string} token
     */
    constructor(token: string);
    /** What is cloned of it. @readonly */
    readonly token: string;
    /** Whether the server is still there: it has not stopped, and the thread that has it lives. */
    get isThere(): boolean;
    /**
     * Whether a connection takes writes.
     * @param {ConnId} id of the connection, or what was cloned of it
     * @returns {boolean} false also of one that is gone
     */
    isOpen(id: ConnId): boolean;
    /**
     * The ids of the connections that are open.
     * @returns {ConnId[]} loop by loop
     * @throws {ReactorError} `STOPPED` if the server is gone
     */
    connectionIds(): ConnId[];
    /**
     * What can be read of a connection now, as `conn.info` does.
     * @param {ConnId} id of the connection, or what was cloned of it
     * @returns {ConnInfo} a snapshot
     * @throws {ReactorError} `CLOSED` if it is gone
     */
    info(id: ConnId): ConnInfo;
    /**
     * What happened so far, as `server.metrics` does: also while the server's own thread is busy.
     * @param {number} [loop] the loop, from 0, that it is of. Absent: of the whole server
     * @returns {Metrics} a snapshot
     * @throws {ReactorError} `INVALID_ARGUMENT` for a loop that there is not, `STOPPED` if the server is gone
     */
    metrics(loop?: number): Metrics;
    /**
     * Queues a copy of the bytes, as `conn.write` does.
     * @param {ConnId} id of the connection, or what was cloned of it
     * @param {Data} data a string is sent as UTF-8
     * @returns {boolean} false above the high-water mark
     * @throws {ReactorError} `CLOSED`, also if the server is gone, or `FULL`
     */
    write(id: ConnId, data: Data): boolean;
    /**
     * Queues several pieces as one write, as `conn.writev` does.
     * @param {ConnId} id of the connection, or what was cloned of it
     * @param {readonly Data[]} parts what is sent, in order
     * @returns {boolean} false above the high-water mark
     * @throws {ReactorError} as {@link write}
     */
    writev(id: ConnId, parts: readonly Data[]): boolean;
    /**
     * Writes one frame, as `conn.writeFrame` does.
     * @param {ConnId} id of the connection, or what was cloned of it
     * @param {Data} payload what the frame has
     * @returns {boolean} false above the high-water mark
     * @throws {ReactorError} as {@link write}, or `INVALID_ARGUMENT`
     */
    writeFrame(id: ConnId, payload: Data): boolean;
    /**
     * Sends a datagram from a UDP endpoint, as `conn.sendTo` does.
     * @param {ConnId} id of the connection, or what was cloned of it
     * @param {string | { address: string, port: number }} to `IP:PORT`, or these by themselves
     * @param {Data} data a string is sent as UTF-8
     * @returns {boolean} false above the high-water mark
     * @throws {ReactorError} as {@link write}, `INVALID_ARGUMENT` or `UNSUPPORTED`
     */
    sendTo(id: ConnId, to: string | {
        address: string;
        port: number;
    }, data: Data): boolean;
    /**
     * Shuts the writing side of a connection down, as `conn.end` does.
     * @param {ConnId} id of the connection, or what was cloned of it
     * @returns {void}
     * @throws {ReactorError} `CLOSED`
     */
    end(id: ConnId): void;
    /**
     * Closes a connection, as `conn.close` does.
     * @param {ConnId} id of the connection, or what was cloned of it
     * @returns {void}
     * @throws {ReactorError} `CLOSED`
     */
    close(id: ConnId): void;
    /**
     * Resets a connection, as `conn.abort` does.
     * @param {ConnId} id of the connection, or what was cloned of it
     * @returns {void}
     * @throws {ReactorError} `CLOSED`
     */
    abort(id: ConnId): void;
    /**
     * Takes a connection out of the engine, as `conn.detach` does: the server's own thread, when it comes to that, is given it, by
     * `onDetach`.
     * @param {ConnId} id of the connection, or what was cloned of it
     * @returns {void}
     * @throws {ReactorError} `CLOSED`, or `FULL` while 262,144 such calls wait for that thread
     */
    detach(id: ConnId): void;
    /**
     * Stops reading a connection, as `conn.pause` does; when the server's own thread comes to it.
     * @param {ConnId} id of the connection, or what was cloned of it
     * @returns {void}
     * @throws {ReactorError} `CLOSED`, or `FULL` while 262,144 such calls wait for that thread
     */
    pause(id: ConnId): void;
    /**
     * Reads it again, as `conn.resume` does; when the server's own thread comes to it.
     * @param {ConnId} id of the connection, or what was cloned of it
     * @returns {void}
     * @throws {ReactorError} `CLOSED`, or `FULL` while 262,144 such calls wait for that thread
     */
    resume(id: ConnId): void;
    /**
     * Holds a connection, as `conn.hold` does; when the server's own thread comes to it.
     * @param {ConnId} id of the connection, or what was cloned of it
     * @returns {void}
     * @throws {ReactorError} `CLOSED`, or `FULL` while 262,144 such calls wait for that thread
     */
    hold(id: ConnId): void;
    /**
     * Takes a hold back, whichever thread's, as `conn.release` does; when the server's own thread comes to it. What was written before is sent
     * before the connection ends.
     * @param {ConnId} id of the connection, or what was cloned of it
     * @returns {void}
     * @throws {ReactorError} `CLOSED`, `WRONG_STATE` if it is not held, or `FULL` as of {@link hold}
     */
    release(id: ConnId): void;
    /**
     * Has `onWake` called for a connection, on the server's own thread.
     * @param {ConnId} id of the connection, or what was cloned of it
     * @returns {void}
     * @throws {ReactorError} `CLOSED`
     */
    wake(id: ConnId): void;
    /**
     * Asks the server to stop, as `server.stop` does, and does not wait for it.
     * @returns {void}
     * @throws {ReactorError} `STOPPED` if it is gone
     */
    stop(): void;
    /**
     * Asks the server to stop when its connections have finished, as `server.stopGracefully` does, and does not wait for it.
     * @param {number} [deadlineMs] milliseconds from now. 0 or absent: the `stopDeadlineMs` of the server
     * @returns {void}
     * @throws {ReactorError} `STOPPED` if it is gone
     */
    stopGracefully(deadlineMs?: number): void;
    #private;
}
/**
 * The handle of a server of this thread.
 * @param {number} number
 */
export function handleOf(number: number): ServerHandle;
import { ConnId } from "./conn_id.js";
