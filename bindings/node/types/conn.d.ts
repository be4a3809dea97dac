/**
 * A server of the addon, with its calls by id.
 */
export type NativeServer = import("../types/native.js").NativeServer & import("../types/native.js").Calls;
export type End = import("./address.js").End;
export type ReactorError = import("./error.js").ReactorError;
export type Framing = import("./framing.js").Framing;
export type Server = import("./server.js").Server;
export type Session = import("./session.js").Session;
export type SocketOptions = import("./terms.js").SocketOptions;
export type Timer = import("./timer.js").Timer;
/**
 * What can be read of a connection.
 */
export type ConnInfo = {
    /**
     * The number of the listener that it came from; `null` of one that this side made.
     */
    listener: number | null;
    /**
     * The loop that it lives on, from 0.
     */
    loop: number;
    /**
     * Milliseconds since it was taken in.
     */
    ageMs: number;
    /**
     * Bytes received.
     */
    bytesReceived: number;
    /**
     * Bytes that the kernel took.
     */
    bytesSent: number;
    /**
     * Bytes written and not taken by the kernel.
     */
    queuedBytes: number;
};
/**
 * Who is at the other end of a Unix connection, as it was when it connected.
 */
export type Credentials = {
    /**
     * Its process; `null` if this process cannot see it.
     */
    pid: number | null;
    /**
     * Its user.
     */
    uid: number;
    /**
     * Its group.
     */
    gid: number;
};
/**
 * is told how a write ended
 */
export type Written = (error: ReactorError | null) => unknown;
/**
 * A server of the addon, with its calls by id.
 * @typedef {import('../types/native.js').NativeServer & import('../types/native.js').Calls} NativeServer
 */
/** @typedef {import('./address.js').End} End */
/** @typedef {import('./error.js').ReactorError} ReactorError */
/** @typedef {import('./framing.js').Framing} Framing */
/** @typedef {import('./server.js').Server} Server */
/** @typedef {import('./session.js').Session} Session */
/** @typedef {import('./terms.js').SocketOptions} SocketOptions */
/** @typedef {import('./timer.js').Timer} Timer */
/**
 * What can be read of a connection.
 * @typedef {object} ConnInfo
 * @property {number | null} listener The number of the listener that it came from; `null` of one that this side made.
 * @property {number} loop The loop that it lives on, from 0.
 * @property {number} ageMs Milliseconds since it was taken in.
 * @property {number} bytesReceived Bytes received.
 * @property {number} bytesSent Bytes that the kernel took.
 * @property {number} queuedBytes Bytes written and not taken by the kernel.
 */
/**
 * Who is at the other end of a Unix connection, as it was when it connected.
 * @typedef {object} Credentials
 * @property {number | null} pid Its process; `null` if this process cannot see it.
 * @property {number} uid Its user.
 * @property {number} gid Its group.
 */
/** @typedef {(error: ReactorError | null) => unknown} Written is told how a write ended */
/**
 * A connection. The same object in all its callbacks. It may be kept, and used at any time, on the thread that made its server; none
 * of its calls blocks, and none calls a callback before it returns.
 */
export class Conn {
    /**
     * @hideconstructor
     * @param {Session} session
     * @param {Server} server
     */
    constructor(session: Session, server: Server);
    /**
     * Yours: the engine does not touch it. Undefined in the beginning, or the `context` that `connect` was given.
     * @type {any}
     */
    data: any;
    /** The server that it belongs to. */
    get server(): import("./server.js").Server;
    set context(value: any);
    /** The same as {@link data}, by the name that other languages have for it. @type {any} */
    get context(): any;
    /** The id, for the calls of `Server` that take one. Always the same object. */
    get id(): import("./conn_id.js").ConnId;
    /** Whether the connection takes writes. */
    get isOpen(): boolean;
    /**
     * Queues a copy of the bytes; a string is sent as UTF-8. They leave when the handler is done with its turn.
     * @param {NodeJS.ArrayBufferView | string} data a Buffer, any other view of memory, or a string
     * @param {Written} [callback] called exactly once if the write is accepted, never from inside the call: with `null` after the
     *   kernel took the last byte, which does not say that the peer has it; or with an error, `CLOSED`, before `onClose` if it did not
     * @returns {boolean} true: go on writing; false: the bytes are accepted, but the queue is above the high-water mark,
     *   better wait for `onDrain`
     * @throws {ReactorError} `CLOSED` if the connection is closed or closing, `FULL` if the queue would exceed the hard
     *   limit, which closes the connection unless `keepOnOverflow` is set, or the server its byte budget; then nothing is
     *   queued; `UNSUPPORTED` for a UDP endpoint outside `onDatagram`, and there with a callback
     */
    write(data: NodeJS.ArrayBufferView | string, callback?: Written): boolean;
    /**
     * Queues several pieces, in order, as one write: what else is written does not come between. Otherwise as {@link write}.
     * @param {readonly (NodeJS.ArrayBufferView | string)[]} parts what {@link write} takes, one behind the other
     * @param {Written} [callback] as {@link write} has it, once for all of them
     * @returns {boolean} as {@link write}
     * @throws {ReactorError} as {@link write}
     */
    writev(parts: readonly (NodeJS.ArrayBufferView | string)[], callback?: Written): boolean;
    /**
     * The same as a promise: it writes within this call. Whether the queue is above the high-water mark, it does not say: whoever
     * awaits it need not know.
     * @param {NodeJS.ArrayBufferView | string | readonly (NodeJS.ArrayBufferView | string)[]} data what {@link write} takes, or a list as
     *   {@link writev} takes it
     * @returns {Promise<void>} resolves after the kernel took the last byte, and rejects with `CLOSED` if it did not, or with what
     *   {@link write} throws
     */
    writeAsync(data: NodeJS.ArrayBufferView | string | readonly (NodeJS.ArrayBufferView | string)[]): Promise<void>;
    /**
     * Writes one frame, as the connection's framing cuts them: with its length in front, or its delimiter behind. Otherwise as
     * {@link write}.
     * @param {NodeJS.ArrayBufferView | string} payload what {@link write} takes; it may be empty
     * @param {Written} [callback] as {@link write} has it
     * @returns {boolean} as {@link write}
     * @throws {ReactorError} as {@link write}; `INVALID_ARGUMENT` if the connection has no framing, or the payload does not fit it
     */
    writeFrame(payload: NodeJS.ArrayBufferView | string, callback?: Written): boolean;
    /**
     * Sends a datagram from a UDP endpoint, to any address: in `onDatagram` {@link write} answers the sender, and this does so later.
     * @param {string | { address: string, port: number } | Datagram} to an IP address with a port, `127.0.0.1:5000` or `[::1]:5000`; or
     *   what `onDatagram` was given, which is answered from the address that it was sent to
     * @param {NodeJS.ArrayBufferView | string} data what {@link write} takes: one datagram
     * @returns {boolean} as {@link write}
     * @throws {ReactorError} as {@link write}; `INVALID_ARGUMENT` for what is no such address, and more bytes than a datagram can have;
     *   `UNSUPPORTED` for a connection
     */
    sendTo(to: string | {
        address: string;
        port: number;
    } | Datagram, data: NodeJS.ArrayBufferView | string): boolean;
    /**
     * Shuts the writing side down, behind what is queued: the peer sees end of file. Reading goes on; the connection is closed when
     * the peer's side has ended, too.
     * @param {NodeJS.ArrayBufferView | string} [data] what to write before
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing, or was ended before; what {@link write} throws, and then it goes on
     */
    end(data?: NodeJS.ArrayBufferView | string): void;
    /**
     * Closes the connection: from now on writes throw `CLOSED`; what is queued is sent, and no more input is delivered;
     * then comes `onClose`.
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing already
     */
    close(): void;
    /**
     * Takes the connection out of the engine, which never touches it again: writes that are not finished are given up, one attempt is
     * made to send what is queued, then comes `onDetach`, its last callback, with the descriptor and the bytes that are left, among them
     * whatever the handler was not given. One
     * that is broken, or not made yet, has nothing to hand out, and is closed.
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing, `UNSUPPORTED` for a UDP socket
     */
    detach(): void;
    /**
     * Resets the connection at once: what is queued is dropped. Also one that is being closed.
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is gone
     */
    abort(): void;
    /**
     * Stops reading, until {@link resume}: the peer feels it as backpressure. What was read already waits, too, and so does the
     * peer's end of file; but a reset ends the connection at once, with what was not read.
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing
     */
    pause(): void;
    /**
     * Reads again.
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing
     */
    resume(): void;
    /**
     * Holds the connection while an answer is made elsewhere. Until {@link release} it is not read, and the end of the peer's
     * side does not close it; its idle and read time-outs do not run. Writes and `onDrain` go on. Holds are counted. A
     * reset, `close`, the write time-out and the server's stop end it all the same. A callback that returns a promise holds
     * its connection by itself, until the promise ends.
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing
     */
    hold(): void;
    /**
     * Takes one {@link hold} back: the connection goes on when it was released as often as it was held. What was written
     * before is sent before the connection ends.
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing, `WRONG_STATE` if it is not held
     */
    release(): void;
    /**
     * In `onData`, until it returns: the last `count` bytes of the input do not count as consumed; they come again, in front of
     * the next. The last call counts. More than 16 MiB is a protocol error.
     * @param {number} count bytes, 0 to take all of it
     * @returns {void}
     * @throws {ReactorError} `INVALID_ARGUMENT` if the input has fewer bytes, `WRONG_STATE` outside `onData` of this connection
     *   and with a framing, `CLOSED` if it is closed or closing
     */
    keep(count: number): void;
    /**
     * Changes how input is cut into frames, from the next byte that the handler has not had: in a callback from behind its frame on, or
     * behind what it does not keep.
     * @param {Framing | string | import('./framing.js').Measure | null} framing one of `line()` and the like, or as it stands in a query,
     *   or a function that measures frames; `null`: whatever there is
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing, `UNSUPPORTED` for one that this way of running cannot have
     */
    setFraming(framing: Framing | string | import("./framing.js").Measure | null): void;
    /**
     * Has `onWake` called. Several calls before it comes are one.
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing
     */
    wake(): void;
    /**
     * Calls a function on this thread when the connection's loop has come to it: behind what it was asked before, which is carried out
     * then; also if the connection has closed meanwhile. One that throws is reported to `onError`, and closes nothing.
     * @param {(conn: Conn) => unknown} callback what it returns does not count
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing; then the function is not called
     */
    runOnLoop(callback: (conn: Conn) => unknown): void;
    /**
     * Calls `onTimer` after a time. The timer ends with the connection.
     * @param {number} delayMs milliseconds, rounded up
     * @param {number} [repeatMs] milliseconds between further calls; 0 or absent: it is called once
     * @returns {Timer} the one that `onTimer` is told; it can be cancelled
     * @throws {ReactorError} `CLOSED` if it is closed or closing, `INVALID_ARGUMENT` for times out of range
     */
    setTimer(delayMs: number, repeatMs?: number): Timer;
    /**
     * Changes when the connection is closed for want of traffic. All three begin anew.
     * @param {{ idle?: number, read?: number, write?: number }} timeouts milliseconds, as `listen` has them; 0 or absent: never
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing, `INVALID_ARGUMENT` for a time that is none
     */
    setTimeouts(timeouts: {
        idle?: number;
        read?: number;
        write?: number;
    }): void;
    /** The peer's IP address, without the port; of a Unix socket its path, `@NAME`, or nothing. Undefined if it is not known. */
    get remoteAddress(): string | undefined;
    /** The peer's port. Undefined of a Unix socket. */
    get remotePort(): number | undefined;
    /** The kind of the peer's address. */
    get remoteFamily(): "IPv4" | "IPv6" | "Unix" | undefined;
    /** The IP address of this side, without the port; of a Unix socket its path or `@NAME`. Undefined if it is not known. */
    get localAddress(): string | undefined;
    /** The port of this side. Undefined of a Unix socket. */
    get localPort(): number | undefined;
    /** The kind of the address of this side. */
    get localFamily(): "IPv4" | "IPv6" | "Unix" | undefined;
    /**
     * What can be read of the connection now; from `onClose` on what it was at the end.
     * @returns {ConnInfo} a snapshot
     * @throws {ReactorError} `CLOSED` if it is gone, and `onClose` was not called yet
     */
    info(): ConnInfo;
    /**
     * Who is at the other end of a Unix connection.
     * @returns {Credentials} who it was when it connected
     * @throws {ReactorError} `CLOSED` if it is gone, `SYSTEM` if it is no Unix socket
     */
    peerCredentials(): Credentials;
    /**
     * Sets options of the connection's socket, at once; those that are absent stay as they are.
     * @param {SocketOptions} options those to be set
     * @returns {void}
     * @throws {ReactorError} `INVALID_ARGUMENT` for an option that is unknown or out of range, `SYSTEM` where such a socket does not
     *   have it, `CLOSED` if the connection is gone
     */
    setOptions(options: SocketOptions): void;
    /**
     * Receives from a multicast group, too. UDP.
     * @param {string} group `ADDRESS` or `ADDRESS@INTERFACE`
     * @returns {void}
     * @throws {ReactorError} as {@link setOptions}
     */
    joinMulticast(group: string): void;
    /**
     * No longer receives from a multicast group.
     * @param {string} group in the words in which it was joined
     * @returns {void}
     * @throws {ReactorError} as {@link setOptions}
     */
    leaveMulticast(group: string): void;
    /**
     * What console.log shows.
     * @internal
     * @returns {object} its fields
     */
    [inspect.custom](): object;
    #private;
}
/**
 * @param {import('../types/native.js').NativeInfo} info
 * @returns {ConnInfo}
 */
export function infoFrom(info: import("../types/native.js").NativeInfo): ConnInfo;
import { Datagram } from "./datagram.js";
import { inspect } from "util";
