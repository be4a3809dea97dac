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
     * How incoming connections
     * are spread over the loops: each loop in its turn; the loop with the fewest; any; by the client's address, so that a client
     * always meets the same loop; or one listening socket for each loop, among which the kernel deals them out. Default:
     * 'round-robin'.
     */
    balance?: "round-robin" | "least-connections" | "random" | "source-hash" | "reuseport";
    /**
     * Whether each loop's thread is bound to one of the processors that this process may use; inline there
     * is none. Default: false.
     */
    pin?: boolean;
    /**
     * Microseconds that a loop lets pass at least between two batches for JavaScript, at most a
     * second. With more that comes together this thread does less for each event: at 40,000 messages a second and 100 µs less than half. What
     * comes waits so long at most, and half of it on average, unless 1 MiB or 16,384 events are there; what is written waits for nothing.
     * Before Linux 5.11 it is rounded up to a millisecond. Not in mode `'inline'`. Default: 0.
     */
    batchIntervalUs?: number;
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
     * on. Default: a quarter of the memory that this process may use. `null`: no budget.
     */
    byteBudget?: number | null;
    /**
     * Bytes read from one connection in one turn, at most 1 GiB. Default: 256 KiB.
     */
    readBudget?: number;
    /**
     * Milliseconds that a connection closed by this side waits for the peer to close too.
     * Default: 2000. `null`: it does not wait.
     */
    lingerMs?: number | null;
    /**
     * Milliseconds that a connection that is being closed, or whose peer has ended its side,
     * waits for a peer that takes nothing of what is queued, at most an hour. Bytes that leave the kernel's queue count as
     * taken. Then it is reset, with `time-out`. Default: 30,000.
     */
    stallLimitMs?: number;
    /**
     * Incoming connections that may be open at once; further ones are closed without a
     * callback. Default: no limit.
     */
    maxConnections?: number;
    /**
     * The same for each client address. Unix sockets do not count. Default: no limit.
     */
    maxConnectionsPerAddress?: number;
    /**
     * Milliseconds that a graceful stop waits for the connections to finish if it does not say
     * itself, at most an hour. Default: 30,000.
     */
    stopDeadlineMs?: number;
    /**
     * Whether a busy loop polls for a moment before it sleeps, where trials show that it
     * brings the loop more work. Default: 'adaptive'.
     */
    look?: "adaptive" | "never";
    /**
     * From which level on `onLog` is told what the
     * engine says. Errors are what an operator must know, each kind at most once a second; what is below them is for debugging,
     * and costs time. Default: 'error', which without `onLog` become warnings of the process.
     */
    logLevel?: "off" | "error" | "warn" | "info" | "debug" | "trace";
};
/** The names of all options of a server. */
export const SERVER_OPTIONS: string[];
/**
 * @param {unknown} value
 * @param {string} what
 * @returns {boolean}
 */
export function boolean(value: unknown, what: string): boolean;
/**
 * The options as the addon takes them.
 * @param {Options | undefined} options
 * @param {readonly string[]} ofListeners the options that `listen` has
 * @returns {Omit<import('../types/native.js').NativeOptions, 'commands'>}
 */
export function checkedOptions(options: Options | undefined, ofListeners: readonly string[]): Omit<import("../types/native.js").NativeOptions, "commands">;
/**
 * @param {unknown} value
 * @param {string} what
 * @returns {string}
 */
export function text(value: unknown, what: string): string;
