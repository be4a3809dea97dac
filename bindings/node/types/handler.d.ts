export type Conn = import("./conn.js").Conn;
export type Datagram = import("./datagram.js").Datagram;
export type Detached = import("./detached.js").Detached;
export type Server = import("./server.js").Server;
export type Timer = import("./timer.js").Timer;
export type Actions = typeof import("./constants.js").Action;
/**
 * what a callback asks for
 */
export type Action = Actions[keyof Actions];
/**
 * What a callback returns, or the promise that it returns resolves to. Any other value asks for nothing, and is reported to
 * `onError`, once for each callback and type of value.
 */
export type Answer = Action | null | undefined | void;
export type CloseReasons = typeof import("./constants.js").CloseReason;
/**
 * why a connection ended
 */
export type CloseReason = CloseReasons[keyof CloseReasons] | (string & {});
/**
 * The callbacks, all optional, all on the JavaScript thread that made the server. Those of one connection come in order,
 * and never two at once. One that throws, or whose promise is rejected, closes its connection with `handler error` and
 * is reported to `onError`; the server lives on.
 *
 * One that returns a promise holds its connection until the promise ends, as `conn.hold` does: no `onData` comes
 * meanwhile, and the peer may end its side without losing the answer. Only `onDrain` may come, for which the promise may
 * be waiting, and `onClose`, after which nobody waits for the promise. `onWake` and each timer come after it, once, however often
 * they were due.
 *
 * All callbacks of a connection run in one asynchronous context of its own, for `AsyncLocalStorage`, which begins as that of
 * the call of `start` or `run`.
 */
export type Handler = {
    /**
     * The server starts: once, before any other callback,
     * within the call of `start` or `run`. Returning `Action.Stop` refuses the start, throwing fails it.
     */
    onStart?: (server: Server) => Answer | Promise<Answer>;
    /**
     * A connection is open and takes writes.
     */
    onOpen?: (conn: Conn) => Answer | Promise<Answer>;
    /**
     * Bytes came in. The buffer is
     * yours for as long as you keep it, and nobody else writes to it. One of 4 KiB or more has memory of its own. A smaller one may
     * share some, up to 64 KiB (`data.buffer`), with others that came at the same time, as what `Buffer.from` makes does: copy what
     * you keep for long. What is shared can be cloned, but not transferred, to a Worker.
     */
    onData?: (conn: Conn, data: Buffer) => Answer | Promise<Answer>;
    /**
     * A datagram came for a UDP
     * endpoint, or an outgoing UDP connection: `datagram` says from whom, and where to. `conn.write` answers the sender until this
     * returns, from the address that it was sent to; later, `conn.sendTo(datagram, data)` does. Endpoints have no `onOpen` and
     * `onClose`. Promises of an endpoint's run side by side, 1024 at most. Without this callback `onData` is given the bytes.
     */
    onDatagram?: (conn: Conn, data: Buffer, datagram: Datagram) => Answer | Promise<Answer>;
    /**
     * A command came in, cut by the framing
     * `resp`, which a handler without this cannot have: its arguments, at least one, of which the first is its name. They are yours,
     * and share memory as what `onData` is given does, those of one command in any case.
     */
    onCommand?: (conn: Conn, args: Buffer[]) => Answer | Promise<Answer>;
    /**
     * The peer has shut its writing side down, and everything before was
     * delivered. Only for connections with `halfOpen`; others are closed then, and so are these without this callback. The
     * connection goes on until `conn.end` or `conn.close`.
     */
    onEof?: (conn: Conn) => Answer | Promise<Answer>;
    /**
     * The queue of unsent output, once above the high-water
     * mark, has fallen to the low-water mark.
     */
    onDrain?: (conn: Conn) => Answer | Promise<Answer>;
    /**
     * `wake` was called for the connection, once or several times.
     */
    onWake?: (conn: Conn) => Answer | Promise<Answer>;
    /**
     * A timer of the connection's is due: the one that
     * `conn.setTimer` returned.
     */
    onTimer?: (conn: Conn, timer: Timer) => Answer | Promise<Answer>;
    /**
     * The connection
     * is gone: the last of its callbacks, exactly once after each `onOpen`. The errno is the system's, for `reset`.
     */
    onClose?: (conn: Conn, reason: CloseReason, errno: number | null) => Answer | Promise<Answer>;
    /**
     * The connection was taken out of the engine, by
     * `conn.detach` or `Action.Detach`: the last of its callbacks, instead of `onClose`. Who takes neither the socket nor the
     * descriptor before this ends, or its promise, or has no such callback, wants it closed.
     */
    onDetach?: (conn: Conn, detached: Detached) => Answer | Promise<Answer>;
    /**
     * Time passes:
     * called as soon as the loops run, and again after as many milliseconds as it returns; nothing ends it. One that throws is
     * called again after the time before, or a second.
     */
    onTick?: (server: Server) => number | null | undefined | void | Promise<number | null | undefined | void>;
    /**
     * A graceful stop has begun: once. The listeners are
     * closed, and connections may finish until the deadline.
     */
    onStopping?: (server: Server) => Answer | Promise<Answer>;
    /**
     * The server has stopped: once, after the last
     * callback, when all loops have ended.
     */
    onStop?: (server: Server) => Answer | Promise<Answer>;
    /**
     * A callback failed: that of a connection, which is
     * being closed, or another; or a callback returned what is no action, which closes nothing. Without it such errors are told to
     * `onLog`, and without that become warnings of the process.
     */
    onError?: (error: Error, conn: Conn | null) => unknown;
    /**
     * The engine says something, from the server's `logLevel` on.
     * It does not say which server it is about: of several that listen for its level the one that was started first is told.
     * Without it errors become warnings of the process.
     */
    onLog?: (level: LogLevel, message: string) => unknown;
};
export type LogLevel = "error" | "warn" | "info" | "debug" | "trace";
/**
 * @param {Handler} handler
 * @returns {Handler}
 */
export function checkedHandler(handler: Handler): Handler;
