export type Conn = import("./conn.js").Conn;
export type ConnInfo = import("./conn.js").ConnInfo;
export type Written = import("./conn.js").Written;
export type ConnId = import("./conn_id.js").ConnId;
/** @typedef {import('./conn.js').Conn} Conn */
/** @typedef {import('./conn.js').ConnInfo} ConnInfo */
/** @typedef {import('./conn.js').Written} Written */
/** @typedef {import('./conn_id.js').ConnId} ConnId */
/**
 * Calls on connections by their ids: each does what the method of the same name of {@link Conn} does. What is not here, {@link conn} has.
 */
export class ById {
    /**
     * The object of a connection, which has every call on it: the one that callbacks are given.
     * @abstract
     * @param {ConnId} id
     * @returns {Conn}
     * @throws {ReactorError} `CLOSED` if the connection is gone, or belongs to another server
     */
    conn(id: ConnId): Conn;
    /**
     * Queues a copy of the bytes, as {@link Conn.write} does.
     * @param {ConnId} id
     * @param {NodeJS.ArrayBufferView | string} data
     * @param {Written} [callback]
     * @returns {boolean} false above the high-water mark
     * @throws {ReactorError} `CLOSED` or `FULL`
     */
    write(id: ConnId, data: NodeJS.ArrayBufferView | string, callback?: Written): boolean;
    /**
     * Queues several pieces as one write, as {@link Conn.writev} does.
     * @param {ConnId} id
     * @param {readonly (NodeJS.ArrayBufferView | string)[]} parts
     * @param {Written} [callback]
     * @returns {boolean} false above the high-water mark
     * @throws {ReactorError} `CLOSED` or `FULL`
     */
    writev(id: ConnId, parts: readonly (NodeJS.ArrayBufferView | string)[], callback?: Written): boolean;
    /**
     * Writes, and resolves when the kernel has taken it, as {@link Conn.writeAsync} does.
     * @param {ConnId} id
     * @param {NodeJS.ArrayBufferView | string | readonly (NodeJS.ArrayBufferView | string)[]} data
     * @returns {Promise<void>}
     */
    writeAsync(id: ConnId, data: NodeJS.ArrayBufferView | string | readonly (NodeJS.ArrayBufferView | string)[]): Promise<void>;
    /**
     * Writes one frame, as {@link Conn.writeFrame} does.
     * @param {ConnId} id
     * @param {NodeJS.ArrayBufferView | string} payload
     * @param {Written} [callback]
     * @returns {boolean} false above the high-water mark
     * @throws {ReactorError} `CLOSED`, `FULL` or `INVALID_ARGUMENT`
     */
    writeFrame(id: ConnId, payload: NodeJS.ArrayBufferView | string, callback?: Written): boolean;
    /**
     * Sends a datagram from a UDP endpoint, as {@link Conn.sendTo} does.
     * @param {ConnId} id
     * @param {string | { address: string, port: number } | import('./datagram.js').Datagram} to
     * @param {NodeJS.ArrayBufferView | string} data
     * @returns {boolean} false above the high-water mark
     * @throws {ReactorError} `CLOSED`, `FULL`, `INVALID_ARGUMENT` or `UNSUPPORTED`
     */
    sendTo(id: ConnId, to: string | {
        address: string;
        port: number;
    } | import("./datagram.js").Datagram, data: NodeJS.ArrayBufferView | string): boolean;
    /**
     * Shuts the writing side of a connection down, as {@link Conn.end} does.
     * @param {ConnId} id
     * @param {NodeJS.ArrayBufferView | string} [data] what to write before
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing, or was ended before; what {@link Conn.write} throws, and then it goes on
     */
    end(id: ConnId, data?: NodeJS.ArrayBufferView | string): void;
    /**
     * Closes a connection, as {@link Conn.close} does.
     * @param {ConnId} id
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing already
     */
    close(id: ConnId): void;
    /**
     * Takes a connection out of the engine, as {@link Conn.detach} does.
     * @param {ConnId} id
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing, `UNSUPPORTED` for a UDP socket
     */
    detach(id: ConnId): void;
    /**
     * Resets a connection, as {@link Conn.abort} does.
     * @param {ConnId} id
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is gone
     */
    abort(id: ConnId): void;
    /**
     * Stops reading a connection, as {@link Conn.pause} does.
     * @param {ConnId} id
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing
     */
    pause(id: ConnId): void;
    /**
     * Reads a connection again, as {@link Conn.resume} does.
     * @param {ConnId} id
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing
     */
    resume(id: ConnId): void;
    /**
     * Holds a connection, as {@link Conn.hold} does.
     * @param {ConnId} id
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing
     */
    hold(id: ConnId): void;
    /**
     * Takes a hold back, as {@link Conn.release} does.
     * @param {ConnId} id
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing, `WRONG_STATE` if it is not held
     */
    release(id: ConnId): void;
    /**
     * Has `onWake` called for a connection, as {@link Conn.wake} does.
     * @param {ConnId} id
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing
     */
    wake(id: ConnId): void;
    /**
     * Whether a connection takes writes. False also of one that is gone, or of another server.
     * @param {ConnId} id
     * @returns {boolean}
     */
    isOpen(id: ConnId): boolean;
    /**
     * What can be read of a connection, as {@link Conn.info} does.
     * @param {ConnId} id
     * @returns {ConnInfo}
     * @throws {ReactorError} `CLOSED` if it is gone
     */
    info(id: ConnId): ConnInfo;
    /**
     * Changes how the input of a connection is cut, as {@link Conn.setFraming} does.
     * @param {ConnId} id
     * @param {import('./framing.js').Framing | string | import('./framing.js').Measure | null} framing
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing, `UNSUPPORTED` for one that this way of running cannot have
     */
    setFraming(id: ConnId, framing: import("./framing.js").Framing | string | import("./framing.js").Measure | null): void;
    /**
     * Changes when a connection is closed for want of traffic, as {@link Conn.setTimeouts} does.
     * @param {ConnId} id
     * @param {{ idle?: number, read?: number, write?: number }} timeouts
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing, `INVALID_ARGUMENT` for a time that is none
     */
    setTimeouts(id: ConnId, timeouts: {
        idle?: number;
        read?: number;
        write?: number;
    }): void;
    /**
     * Sets options of a connection's socket, as {@link Conn.setOptions} does.
     * @param {ConnId} id
     * @param {import('./terms.js').SocketOptions} options
     * @returns {void}
     * @throws {ReactorError} `INVALID_ARGUMENT`, `SYSTEM`, or `CLOSED` if it is gone
     */
    setOptions(id: ConnId, options: import("./terms.js").SocketOptions): void;
    /**
     * Receives from a multicast group, too, as {@link Conn.joinMulticast} does.
     * @param {ConnId} id
     * @param {string} group
     * @returns {void}
     * @throws {ReactorError} as {@link setOptions}
     */
    joinMulticast(id: ConnId, group: string): void;
    /**
     * No longer receives from a multicast group, as {@link Conn.leaveMulticast} does.
     * @param {ConnId} id
     * @param {string} group
     * @returns {void}
     * @throws {ReactorError} as {@link setOptions}
     */
    leaveMulticast(id: ConnId, group: string): void;
    /**
     * Who is at the other end of a Unix connection, as {@link Conn.peerCredentials} does.
     * @param {ConnId} id
     * @returns {import('./conn.js').Credentials}
     * @throws {ReactorError} `CLOSED` if it is gone, `SYSTEM` if it is no Unix socket
     */
    peerCredentials(id: ConnId): import("./conn.js").Credentials;
}
