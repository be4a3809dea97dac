export type ConnId = import("./conn_id.js").ConnId;
export type NativeServer = import("./conn.js").NativeServer;
export type Datagram = import("./datagram.js").Datagram;
export type Scope = import("./scope.js").Scope;
export type Entry = import("./table.js").Entry;
export type Written = (error: ReactorError | null) => unknown;
export type Input = import("./waiting.js").Input;
/**
 * Who calls the user for connections.
 */
export type Caller = {
    /**
     * for a timer
     */
    due: (entry: Entry, timer: Timer) => void;
    /**
     * when its loop has come to that
     */
    run: (entry: Entry, ask: (token: number) => import("../types/native.js").Failure | null, call: (conn: any) => unknown) => import("../types/native.js").Failure | null;
    /**
     * when a function that measures frames has
     */
    failed: (error: unknown) => void;
    /**
     * carries out what other threads have asked for before
     */
    catchUp: () => void;
    /**
     * tells how a write has ended
     */
    written: (session: Session, written: Written, error: ReactorError) => void;
    /**
     * whether a callback of its is what is being called, so that nothing of its is on the way
     */
    isTold: (id: ConnId) => boolean;
    /**
     * takes out of what is being delivered what the handler was not given, as it came
     */
    rest: (id: ConnId) => Buffer[];
};
/** What the package keeps of a connection, besides the object that the user has. */
export class Session {
    /**
     * @param {NativeServer} native
     * @param {ConnId} id
     * @param {Scope} scope
     * @param {Caller} caller
     * @param {import('./outbox.js').Outbox} outbox
     */
    constructor(native: NativeServer, id: ConnId, scope: Scope, caller: Caller, outbox: import("./outbox.js").Outbox);
    id: import("./conn_id.js").ConnId;
    /**
     * It and the object that the user has, as soon as there is that.
     * @type {Entry | undefined}
     */
    entry: Entry | undefined;
    /** Whether input must wait. Looked at for each, and changed seldom. */
    waits: boolean;
    /** Bytes that can be written at least without pressure, as far as is known. */
    room: number;
    /** The asynchronous context of its callbacks. */
    scope: import("./scope.js").Scope;
    /** This side has closed it: what the engine still holds for it is dropped, except onClose. */
    isClosing: boolean;
    /** Its callbacks need not know that it is closing: another thread has asked for that, or it was before they were told of it. */
    endsUnseen: boolean;
    /** It is to be handed out, and what comes of its input until then goes back to the engine, to be handed out as well. */
    isDetaching: boolean;
    /** Its framing was set while input of it may have been on its way, which was cut as it was before. */
    isReframed: boolean;
    /** Its last callback was called, or is being called. */
    isGone: boolean;
    /**
     * What the handler is being given.
     * @type {Buffer | null}
     */
    input: Buffer | null;
    /** This side has made it. */
    isOutgoing: boolean;
    /** It is a UDP endpoint: it has no end of its own, and is not held. */
    isEndpoint: boolean;
    /**
     * The datagram that the handler is being given, which a write answers.
     * @type {Datagram | null}
     */
    datagram: Datagram | null;
    /**
     * What the engine has told of its end.
     * @type {string | undefined}
     */
    about: string | undefined;
    get isOpen(): boolean;
    /**
     * @param {Uint8Array} bytes
     * @returns {boolean}
     */
    write(bytes: Uint8Array): boolean;
    /** @param {Uint8Array[]} parts */
    writev(parts: Uint8Array[]): boolean;
    /**
     * @param {Datagram} datagram
     * @param {Uint8Array} bytes
     */
    answer(datagram: Datagram, bytes: Uint8Array): boolean;
    /**
     * @param {string} to
     * @param {Uint8Array} bytes
     */
    sendTo(to: string, bytes: Uint8Array): boolean;
    /** @param {Uint8Array} payload */
    writeFrame(payload: Uint8Array): boolean;
    /**
     * @param {Uint8Array[]} parts
     * @param {Written} written
     */
    writeThen(parts: Uint8Array[], written: Written): boolean;
    /**
     * A write has come to its end.
     * @param {number} token
     * @returns {Written | undefined} whom to tell
     */
    takeWritten(token: number): Written | undefined;
    end(): void;
    /** Another thread has ended it: no writes are gathered for it any more. */
    endedElsewhere(): void;
    close(): void;
    abort(): void;
    /** An answer closes it. It may be closed already; then there is nothing left to do. */
    closeIfOpen(): void;
    detach(): void;
    /** Another thread wants it handed out. */
    detachAsked(): void;
    /** An answer detaches it, as {@link closeIfOpen} has it. */
    detachIfOpen(): void;
    /** A callback of its failed. An endpoint stays as it is. */
    fail(): void;
    pause(): void;
    /** Another thread has it paused. */
    pauseAsked(): void;
    resume(): void;
    /** Another thread has it read again. */
    resumeAsked(): void;
    hold(): void;
    /** Another thread holds it once more. */
    holdAsked(): void;
    release(): void;
    /** Another thread takes a hold back. */
    releaseAsked(): void;
    /** A callback goes on in its promise. Says whether the engine holds the connection for it. */
    runs(): boolean;
    /**
     * The promise has ended, and what it asks for was done.
     * @param {boolean} held what {@link runs} said
     */
    ran(held: boolean): void;
    /**
     * @param {Input} input
     * @param {(input: Input) => void} give
     * @param {Buffer} [piece]
     */
    keepWaiting(input: Input, give: (input: Input) => void, piece?: Buffer): void;
    /** Whether input that comes is to go back to the engine. */
    get givesBack(): boolean;
    /**
     * What the handler was not given of what was handed over goes back to the engine, as it came.
     * @returns {boolean} whether there was something
     */
    giveRestBack(): boolean;
    /**
     * What is no input: at once, or when the promises have ended.
     * @param {unknown} what of which one may be owed
     * @param {() => void} call
     */
    soon(what: unknown, call: () => void): void;
    /**
     * The handler is given input, of which it may keep something.
     * @param {Buffer | Buffer[]} input
     * @param {boolean} isCut a framing has cut it
     */
    begin(input: Buffer | Buffer[], isCut: boolean): void;
    /** @param {number} count */
    keep(count: number): void;
    /** The handler has returned: what it keeps comes again, in front of what is next. */
    finish(): void;
    wake(): void;
    /** @param {(conn: any) => unknown} call */
    run(call: (conn: any) => unknown): void;
    /**
     * @param {number} delayMs
     * @param {number} repeatMs
     */
    setTimer(delayMs: number, repeatMs: number): Timer;
    /**
     * @param {number} idle
     * @param {number} read
     * @param {number} write
     */
    setTimeouts(idle: number, read: number, write: number): void;
    /** @param {unknown} framing */
    setFraming(framing: unknown): void;
    /**
     * @param {string} name
     * @param {string} text
     */
    setOption(name: string, text: string): void;
    /** @param {boolean} ofPeer */
    address(ofPeer: boolean): string | import("../types/native.js").Failure;
    info(): import("../types/native.js").Failure | import("../types/native.js").NativeInfo;
    peerCredentials(): import("../types/native.js").NativeCredentials;
    /** The connection is gone: nobody is to be given what has waited. */
    drop(): void;
    #private;
}
import { ReactorError } from "./error.js";
import { Timer } from "./timer.js";
