export type ConnId = import("./conn_id.js").ConnId;
export type NativeServer = import("./conn.js").NativeServer;
export type Scope = import("./scope.js").Scope;
/**
 * Input that came with others in one batch while the connection is held: the bytes, or `null` for the end of file.
 */
export type Input = Buffer | null;
/** @typedef {import('./conn_id.js').ConnId} ConnId */
/** @typedef {import('./conn.js').NativeServer} NativeServer */
/** @typedef {import('./scope.js').Scope} Scope */
/**
 * Input that came with others in one batch while the connection is held: the bytes, or `null` for the end of file.
 * @typedef {Buffer | null} Input
 */
/** What the package keeps of a connection, besides the object that the user has. */
export class Session {
    /**
     * @param {NativeServer} native
     * @param {ConnId} id
     * @param {Scope} scope
     * @param {(input: Input) => void} give calls the handler with input that has waited
     */
    constructor(native: NativeServer, id: ConnId, scope: Scope, give: (input: Input) => void);
    id: import("./conn_id.js").ConnId;
    /** The asynchronous context of its callbacks. */
    scope: import("./scope.js").Scope;
    give: (input: Input) => void;
    /** This side has closed it: what the engine still holds for it is dropped, except onClose. */
    isClosing: boolean;
    get isOpen(): boolean;
    /**
     * @param {Uint8Array} bytes
     * @returns {boolean}
     */
    write(bytes: Uint8Array): boolean;
    close(): void;
    /** An answer closes it. It may be closed already; then there is nothing left to do. */
    closeIfOpen(): void;
    /** A callback of its failed. */
    fail(): void;
    hold(): void;
    release(): void;
    /** A callback goes on in its promise. Says whether the engine holds the connection for it. */
    runs(): boolean;
    /**
     * The promise has ended, and what it asks for was done.
     * @param {boolean} held what {@link runs} said
     */
    ran(held: boolean): void;
    /** Whether input must wait. */
    get waits(): boolean;
    /** @param {Input} input */
    keep(input: Input): void;
    /** The connection is gone: nobody is to be given what has waited. */
    drop(): void;
    #private;
}
