export type Handler = import("./handler.js").Handler;
export type ConnId = import("./conn_id.js").ConnId;
export type Options = import("./options.js").Options;
export type ServerHandle = import("./server_handle.js").ServerHandle;
export type ConnectOptions = import("./terms.js").ConnectOptions;
export type EnrollOptions = import("./terms.js").EnrollOptions;
export type ListenOptions = import("./terms.js").ListenOptions;
export type Metrics = import("./metrics.js").Metrics;
/**
 * A listener that is open.
 */
export type Listener = {
    /**
     * Its number in the server, from 1.
     */
    listener: number;
    /**
     * The address really bound, as a URL without options.
     */
    address: string;
};
/**
 * A server and its event loops. The loops run on threads of their own, or inline; the callbacks run here, on the thread that made
 * the server, and so must every call. None blocks but `listen`, which may look up a name, and none calls a callback before it
 * returns but `start`, which calls `onStart`, and `sendNow`. While the server runs it keeps the process alive. The loops take none of the process's
 * signals, and what a callback spawns is spawned by the JavaScript thread, with that thread's signal mask.
 */
export class Server extends ById {
    /**
     * A server that is not started and listens nowhere.
     * @param {Handler} handler its callbacks
     * @param {Options} [options] zero or absent means the default
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
     * `delimiter:BYTES` (any byte as % and two hexadecimal digits: `delimiter:%0D%0A`), `length:WIDTH` (1, 2, 3, 4, 8 or
     * `varint`) or `resp`; behind it, after commas, `max_frame=N`; of lines and delimiters `keep_delimiter=BOOL`,
     * `deliver_rest=BOOL`, and of delimiters `or=BYTES` for each further one; of a length field `order=big|little`, `offset=N`,
     * `adjustment=N`, `strip=N|header`. With a framing each `onData` has one whole frame. `resp` cuts
     * the commands of Redis's clients, which `onCommand` gets as lists of their arguments; behind it `max_arguments=N`.
     * @param {string} url no scheme means `tcp`, no host every address, port 0 a free one
     * @param {ListenOptions} [options] the same, where the query wins
     * @returns {string} the address really bound, as a URL without the options
     * @throws {ReactorError} `INVALID_ADDRESS`, which quotes the URL and says what options there are, or what form one has;
     *   `INVALID_ARGUMENT` for an option that is unknown or out of range; `ADDRESS_IN_USE` or `SYSTEM` with the system's reason;
     *   `WRONG_STATE` once the server stops. The server can listen again.
     */
    listen(url: string, options?: ListenOptions): string;
    /**
     * Listens at every socket that the service manager passed on, by the LISTEN_PID and LISTEN_FDS of systemd. The engine owns the
     * descriptors from then on.
     * @param {ListenOptions} [options] those of {@link listen}, for all of them
     * @returns {string[]} their addresses: none if there are no such variables, or they are another process's
     * @throws {ReactorError} what {@link listen} throws, and `INVALID_ARGUMENT` if the variables are malformed; the descriptors
     *   before the one that failed stay
     */
    listenInherited(options?: ListenOptions): string[];
    /**
     * Stops listening. Connections of the listener go on, and whoever the kernel had connected before is taken in and served. Of a
     * UDP listener the datagrams that wait are delivered and answered first.
     * @param {string | number | Listener} listener the address that `listen` returned, or the listener or its number, as
     *   {@link listeners} has them; of several with one address it is the first
     * @param {{ refuse?: boolean }} [options] `refuse: true`: whoever waits to be accepted is reset
     * @returns {Promise<void>} resolves when connects are refused and the address is free. Rejects with a {@link ReactorError},
     *   `INVALID_ARGUMENT`, if the server has no such listener any more
     */
    closeListener(listener: string | number | Listener, options?: {
        refuse?: boolean;
    }): Promise<void>;
    /**
     * The ids of a UDP listener's endpoints: from `onStart` on, one, or with `reuseport` one for each loop. Empty for other listeners,
     * and before the start.
     * @param {string | number | Listener} listener as {@link closeListener} takes it
     * @returns {ConnId[]} for `sendTo`, and whatever else there is by id
     * @throws {ReactorError} `INVALID_ARGUMENT` if the server has no such listener
     */
    endpoints(listener: string | number | Listener): ConnId[];
    /**
     * The listeners that are open, in the order of the `listen` calls.
     * @returns {Listener[]}
     */
    get listeners(): Listener[];
    /**
     * Connects to `[scheme://]address[?option=value&…]`, over tcp, udp or unix, and returns the connection at once. The callbacks are those of
     * every connection: `onOpen` when it is made; or if that fails `onClose` alone, with `connect failed` or `time-out`. What is
     * written before that is queued, but not over udp. A name is looked up, without blocking, and its addresses are tried as RFC 8305 says: the next
     * is begun when one fails or has been silent for 250 ms.
     *
     * Options, as {@link listen} has them: `nodelay=BOOL`, `keepalive=BOOL|IDLE[,INTERVAL[,COUNT]]`, `rcvbuf=N`, `sndbuf=N`,
     * `device=NAME`, `broadcast=BOOL`, `idle=MS`, `read=MS`, `write=MS`, `half_open=BOOL`, `framing=FRAMING`; and `bind=IP[:PORT]`, the
     * local address to connect from.
     * @param {string} url where to
     * @param {ConnectOptions} [options] the same, where the query wins, and `timeoutMs`, `loop` and `context`
     * @returns {import('./conn.js').Conn} the connection, which is being made
     * @throws {ReactorError} `INVALID_ADDRESS`; `INVALID_ARGUMENT` for an option that is unknown or out of range, and for a loop that
     *   there is not; `WRONG_STATE` before the start and after a stop
     */
    connect(url: string, options?: ConnectOptions): import("./conn.js").Conn;
    /**
     * Gives a connected TCP or Unix stream to the engine, which takes a copy of its descriptor; `onOpen` follows. Yours stays yours, to
     * be closed: nobody else may read from the socket from now on.
     * @param {number} descriptor of a connected stream
     * @param {EnrollOptions} [options] what it begins with
     * @returns {import('./conn.js').Conn} the connection
     * @throws {ReactorError} `INVALID_ARGUMENT` if it is no connected stream socket, and otherwise what {@link connect} throws
     */
    enroll(descriptor: number, options?: EnrollOptions): import("./conn.js").Conn;
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
     * Waits until the server has stopped, whoever stops it.
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
     * Asks the server to stop when its connections have finished: `onStopping` is called, whoever the kernel has connected is taken
     * in, the listeners are closed, and the connections go on until all have ended or the deadline is over; what is left is then
     * closed as by {@link stop}. A further call can only bring the deadline forward.
     * @param {number} [deadlineMs] milliseconds from now. 0 or absent: the `stopDeadlineMs` of the server
     * @returns {Promise<void>} resolves when it has stopped, like {@link wait}; at once if it does not run
     */
    stopGracefully(deadlineMs?: number): Promise<void>;
    /** Whether {@link stop} or {@link stopGracefully} was called, by whomever; and after the stop. */
    get isStopping(): boolean;
    /**
     * How other threads of the process reach the server: it can be sent to a Worker. Always the same object.
     * @returns {ServerHandle}
     * @throws {ReactorError} what any call does when the server is over
     */
    get handle(): ServerHandle;
    /**
     * Keeps the process, or the Worker, alive while the server runs, as it does unless {@link unref} was called.
     * @returns {this} the server
     */
    ref(): this;
    /**
     * Lets the process, or the Worker, end while the server runs, if nothing else keeps it alive. May come before the start.
     * @returns {this} the server
     */
    unref(): this;
    /**
     * Sends what is queued now, as far as the kernel takes it, for a process that is about to exit. Threads do so by themselves: there it
     * waits for them, 5 s at most. Inline it may, alone of all calls, call callbacks before it returns: outside of this server's own, it
     * lets the engine have its turn.
     * @returns {void}
     */
    sendNow(): void;
    /**
     * Calls a function on this thread after a time, for what concerns no connection. One that throws is reported to `onError`;
     * a timer that repeats goes on all the same. It ends with the server, and does not keep the process alive.
     * @param {number} delayMs milliseconds
     * @param {(timer: Timer) => unknown} callback what it returns does not count
     * @param {number} [repeatMs] milliseconds between further calls; 0 or absent: it is called once
     * @returns {Timer} it can be cancelled
     * @throws {ReactorError} `INVALID_ARGUMENT` for times out of range, `WRONG_STATE` once the server has stopped
     */
    setTimer(delayMs: number, callback: (timer: Timer) => unknown, repeatMs?: number): Timer;
    /**
     * Calls a function on this thread when a loop has come to it: behind what it was asked before, which is carried out then. One that
     * throws is reported to `onError`. One that the loop has not come to when it ends is not called.
     * @param {number} loop from 0
     * @param {(loop: number) => unknown} callback what it returns does not count
     * @returns {void}
     * @throws {ReactorError} `INVALID_ARGUMENT` for a loop that there is not, `WRONG_STATE` before the start and after the stop
     */
    runOnLoop(loop: number, callback: (loop: number) => unknown): void;
    /**
     * What happened so far; after the stop, too. It walks over all connections, for `queuedBytes`: cheap enough to take every second.
     * @param {number} [loop] the loop, from 0, that it is of. What is refused, or fails to be accepted, is counted where that
     *   happens: with several loops on a thread that accepts for them, and so in none of theirs. Absent: of the whole server
     * @returns {Metrics} a snapshot
     * @throws {ReactorError} `INVALID_ARGUMENT` for a loop that there is not
     */
    metrics(loop?: number): Metrics;
    /**
     * A delay, in milliseconds, that at least the fraction `q` of all did not exceed, from the moment the poller reported a
     * connection until its input was gathered for JavaScript: `delayPercentile(0.99)`. Up to twice the true one; 0 if nothing was sampled.
     * @param {number} q from 0 to 1
     * @param {number} [loop] as {@link metrics} has it
     * @returns {number} milliseconds
     * @throws {ReactorError} `INVALID_ARGUMENT` for a loop that there is not
     */
    delayPercentile(q: number, loop?: number): number;
    /**
     * The ids of the connections that are open, those being made or closed included, loop by loop.
     * @returns {ConnId[]} for the calls that take one
     */
    connectionIds(): ConnId[];
    /** The addresses really bound, as URLs without options, in the order of the `listen` calls. */
    get addresses(): string[];
    /** The number of event loops; 0 before the start. */
    get loops(): number;
    /** Connections that are open, those being closed included. */
    get connections(): number;
    /** Bytes written to connections and not yet taken by the kernel. Walks over all connections. */
    get queuedBytes(): number;
    /** Stops at once, for `await using`: see {@link stop}. */
    [Symbol.asyncDispose](): Promise<void>;
    /**
     * What console.log shows.
     * @internal
     * @returns {object} its fields
     */
    [inspect.custom](): object;
    #private;
}
import { ById } from "./by_id.js";
import { Timer } from "./timer.js";
import { inspect } from "util";
