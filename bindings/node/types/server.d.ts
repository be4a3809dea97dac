export type Handler = import("./handler.js").Handler;
export type ConnId = import("./conn_id.js").ConnId;
/**
 * The options of a server. Zero or absent means the default.
 */
export type Options = {
    /**
     * Who drives the event loops. `'threads'`: threads of their own, which accept, read, cut
     * frames and send while JavaScript does something else; the callbacks run on the thread that made the server. `'inline'`: Node's
     * own event loop drives one loop, on the thread that made the server, without any other thread: a message costs less
     * altogether, but all of it is this thread's time. For more than one processor each `worker_threads` Worker has
     * a server of its own, at one port with `reuseport=true`. Default: `'threads'`.
     */
    mode?: "threads" | "inline";
    /**
     * Event loops, each on a thread of its own; inline there is one. Default: one per processor this
     * process may use.
     */
    loops?: number;
    /**
     * Bytes of unsent output above which a connection is no longer read. Default: 1 MiB.
     */
    highWater?: number;
    /**
     * Bytes of unsent output at which `onDrain` is called and reading resumes. Default: half
     * the high-water mark.
     */
    lowWater?: number;
    /**
     * Bytes of unsent output that a connection may hold at most; a write beyond it throws
     * `FULL`, and closes the connection with `overflow`. Default: 64 MiB.
     */
    hardLimit?: number;
    /**
     * Whether a connection goes on when a write beyond its `hardLimit` was refused.
     * Default: false.
     */
    keepOnOverflow?: boolean;
    /**
     * Bytes of memory that the whole server may hold for unsent output and unfinished input. A
     * write that would go beyond it throws `FULL` and closes nothing, unless its connection holds no more than a share with it:
     * half of the budget divided by the number of connections that hold something. Above the budget, of those who hold more
     * than a share the one that moved the fewest bytes per byte held in the last 5 seconds is closed with `overflow`, and so
     * on. Default: a quarter of the memory that this process may use.
     */
    byteBudget?: number;
    /**
     * Bytes read from one connection in one turn, at most 1 GiB. Default: 256 KiB.
     */
    readBudget?: number;
    /**
     * Milliseconds that a connection closed by this side waits for the peer to close too.
     * Default: 2000.
     */
    lingerMs?: number;
    /**
     * Milliseconds that a connection that is being closed, or whose peer has ended its side,
     * waits for a peer that takes nothing of what is queued, at most an hour. Bytes that leave the kernel's queue count as
     * taken. Then it is reset, with `time-out`. Default: 30,000.
     */
    stallLimitMs?: number;
    /**
     * Whether a busy loop polls for a moment before it sleeps, where trials show that it
     * brings the loop more work. Default: 'adaptive'.
     */
    look?: "adaptive" | "never";
};
/**
 * A server and its event loops. The loops run on threads of their own; the callbacks run here, on the thread that made
 * the server. While it runs it keeps the process alive. The loops take none of the process's signals, and what a callback
 * spawns is spawned by the JavaScript thread, with that thread's signal mask.
 */
export class Server {
    /**
     * A server that is not started and listens nowhere.
     * @param {Handler} handler
     * @param {Options} [options]
     * @throws {ReactorError} `INVALID_ARGUMENT` for options out of range or unknown, and for a method of the handler that is
     *   named like a callback and is none; `SYSTEM` when descriptors have run out
     */
    constructor(handler: Handler, options?: Options);
    /**
     * Binds and listens at `[scheme://]address[?option=value&…]`, for example `tcp://:5000` or `unix:///run/echo.sock`. A
     * host name is looked up, which may block.
     *
     * Options: `reuseport=BOOL`, `backlog=N`, `nodelay=BOOL`, `keepalive=BOOL|IDLE[,INTERVAL[,COUNT]]` in seconds, `rcvbuf=N`
     * and `sndbuf=N` in bytes, `device=NAME`, `ipv6only=BOOL`, `mode=OCTAL` of a Unix socket's path, `shared=BOOL` (other
     * processes accept from the socket, too, so that a stop does not end the listening), for UDP `datagram=N` in bytes,
     * `broadcast=BOOL` and `join=GROUP[@INTERFACE]`; and of each connection the time-outs `idle=MS`, `read=MS` and `write=MS`, in
     * milliseconds, `half_open=BOOL`, `framing=FRAMING`. BOOL is `true` or `false`. FRAMING is `line`, `fixed:LENGTH`,
     * `delimiter:BYTES` (any byte as % and two hexadecimal digits: `delimiter:%0D%0A`) or `length:WIDTH` (1, 2, 3, 4, 8 or
     * `varint`); behind it, after commas, `max_frame=N`; of lines and delimiters `keep_delimiter=BOOL`,
     * `deliver_rest=BOOL`, and of delimiters `or=BYTES` for each further one; of a length field `order=big|little`, `offset=N`,
     * `adjustment=N`, `strip=N|header`. With a framing each `onData` has one whole frame. The engine's framing
     * `resp` is refused here.
     * @param {string} url
     * @returns {string} the address really bound, as a URL without the options
     * @throws {ReactorError} `INVALID_ADDRESS`, which quotes the URL and says what options there are, or what form one has;
     *   `ADDRESS_IN_USE` or `SYSTEM` with the system's reason;
     *   `WRONG_STATE` once the server stops. The server can listen again.
     */
    listen(url: string): string;
    /**
     * Calls `onStart` at once, then starts the loops. A server can be started once.
     * @returns {Promise<void>} resolves when the server runs. Rejects with a {@link ReactorError}: `WRONG_STATE` if it was
     *   started before, `STOPPED` if `onStart` returned stop or stop was called before, `HANDLER_FAILED` if `onStart` threw,
     *   `SYSTEM` when threads, memory or descriptors have run out
     */
    start(): Promise<void>;
    /**
     * Starts, and waits until the server has stopped. Meanwhile SIGINT (Ctrl-C) stops the server cleanly instead of ending
     * the process.
     * @param {{ handleSignals?: boolean }} [options] `handleSignals: false` leaves SIGINT alone
     * @returns {Promise<void>} rejects as {@link start} does
     */
    run(options?: {
        handleSignals?: boolean;
    }): Promise<void>;
    /**
     * @returns {Promise<void>} resolves when the server has stopped, its threads have ended and `onStop` has returned. Rejects
     *   with `WRONG_STATE` if it was not started
     */
    wait(): Promise<void>;
    /**
     * Asks the server to stop, at once: each connection gets one more attempt to send what is queued, and is closed with
     * `shutdown`. May be repeated, and may come before the start, which is then refused.
     * @returns {Promise<void>} resolves when it has stopped, like {@link wait}; at once if it does not run
     */
    stop(): Promise<void>;
    /**
     * Keeps the process, or the Worker, alive while the server runs, as it does unless {@link unref} was called.
     * @returns {this}
     */
    ref(): this;
    /**
     * Lets the process, or the Worker, end while the server runs, if nothing else keeps it alive. May come before the start.
     * @returns {this}
     */
    unref(): this;
    /**
     * Queues a copy of the bytes for a connection, as {@link Conn.write} does.
     * @param {ConnId} id
     * @param {Uint8Array | string} data
     * @returns {boolean} false above the high-water mark
     * @throws {ReactorError} `CLOSED` or `FULL`
     */
    write(id: ConnId, data: Uint8Array | string): boolean;
    /**
     * Closes a connection, as {@link Conn.close} does.
     * @param {ConnId} id
     * @returns {void}
     * @throws {ReactorError} `CLOSED` if it is closed or closing already
     */
    close(id: ConnId): void;
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
    /** The addresses really bound, as URLs without options, in the order of the `listen` calls. */
    get addresses(): string[];
    /** The number of event loops; 0 before the start. */
    get loops(): number;
    /** Connections that are open, those being closed included. */
    get connections(): number;
    /** Bytes written to connections and not yet taken by the kernel. Walks over all connections. */
    get queuedBytes(): number;
    #private;
}
