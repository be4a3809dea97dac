/**
 * What the system's part in an error was.
 */
export type Because = {
    errno?: number | null | undefined;
    syscall?: string;
    /**
     * the address that it was about
     */
    url?: string;
};
export type ConnId = import("./conn_id.js").ConnId;
/**
 * What the system's part in an error was.
 * @typedef {object} Because
 * @property {number | null | undefined} [errno]
 * @property {string} [syscall]
 * @property {string} [url] the address that it was about
 */
/**
 * An error of the engine: what kind of wrong, in words; and where the system was the cause what it said, as Node's own errors have it:
 * `errno`, `systemCode`, `syscall`, and of an address `address` and `port`, or `path`.
 */
export class ReactorError extends Error {
    /**
     * @param {string} code the kind, one of `ErrorCode`
     * @param {string} message
     * @param {Because & { cause?: unknown }} [more]
     */
    constructor(code: string, message: string, more?: Because & {
        cause?: unknown;
    });
    /** The kind, one of {@link ErrorCode}: `ADDRESS_IN_USE`. More will come. */
    code: string;
    /**
     * The system's error number, where the system was the cause: above 0, as `onClose` has it.
     * @type {number | undefined}
     */
    errno: number | undefined;
    /**
     * The name of that number: `EADDRINUSE`. It is what `code` is in Node's errors.
     * @type {string | undefined}
     */
    systemCode: string | undefined;
    /**
     * What the system was asked for: `listen`, `setsockopt`.
     * @type {string | undefined}
     */
    syscall: string | undefined;
    /**
     * The address that it was about: an IP address or a name.
     * @type {string | undefined}
     */
    address: string | undefined;
    /**
     * The port that it was about.
     * @type {number | undefined}
     */
    port: number | undefined;
    /**
     * The path of the Unix socket that it was about.
     * @type {string | undefined}
     */
    path: string | undefined;
}
/** @param {ConnId} id */
export function closedError(id: ConnId): ReactorError;
/**
 * @param {import('../types/native.js').Failure} failure
 * @param {ConnId} [id] the connection that the call was about
 * @param {Because} [because]
 * @returns {ReactorError}
 */
export function errorOf({ code, message, errno }: import("../types/native.js").Failure, id?: ConnId, because?: Because): ReactorError;
/**
 * Whether what was thrown is the failure of a call on this connection because it is closed.
 * @param {unknown} thrown
 * @param {ConnId} id
 */
export function saysClosed(thrown: unknown, id: ConnId): boolean;
