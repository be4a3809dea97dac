/**
 * what a callback asks for
 */
export type Action = (typeof Action)[keyof typeof Action];
/**
 * why a connection ended
 */
export type CloseReason = (typeof CloseReason)[keyof typeof CloseReason] | (string & {});
/**
 * what went wrong
 */
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode] | (string & {});
/** What a callback asks the engine to do next: its return value. No other value asks for anything. */
export const Action: Readonly<{
    /** Go on; the same as returning nothing. */
    None: ActionValue;
    /** Close this connection: from now on writes throw `CLOSED`; what is queued is sent first. */
    Close: ActionValue;
    /** Take this connection out of the engine: see `conn.detach`, and `onDetach`. */
    Detach: ActionValue;
    /** Stop the server. */
    Stop: ActionValue;
}>;
/** Why a connection ended. Expect values you do not know; more will come. */
export const CloseReason: Readonly<{
    /** The peer closed its side, and everything was answered. */
    Eof: "eof";
    /** The connection broke: the peer reset it, or the network gave up. The errno says which. */
    Reset: "reset";
    /** This side closed it. */
    LocalClose: "local close";
    /** This side reset it. */
    Abort: "abort";
    /** Nothing came or went for as long as the idle time-out. */
    Idle: "idle";
    /** The server stopped. */
    Shutdown: "shutdown";
    /** A write went beyond the hard limit; or the server held more than its byte budget, and this connection too much. */
    Overflow: "overflow";
    /** The input breaks the framing. */
    Protocol: "protocol error";
    /** A callback failed. */
    HandlerError: "handler error";
    /** An outgoing connection could not be made. The errno says why. */
    ConnectFailed: "connect failed";
    /** The connect, read or write time-out was over. */
    TimedOut: "time-out";
}>;
/** @typedef {(typeof CloseReason)[keyof typeof CloseReason] | (string & {})} CloseReason why a connection ended */
/** The codes of a {@link ReactorError}. Expect values you do not know; more will come. */
export const ErrorCode: Readonly<{
    /** An argument is outside what the call accepts. */
    InvalidArgument: "INVALID_ARGUMENT";
    /** A listen address cannot be parsed, or carries an unknown or malformed option. */
    InvalidAddress: "INVALID_ADDRESS";
    /** The address of a listener is taken. */
    AddressInUse: "ADDRESS_IN_USE";
    /** The operating system refused; `errno` says why. */
    System: "SYSTEM";
    /** The connection is closed or closing, or the id belongs to another server. */
    Closed: "CLOSED";
    /** The connection's queue is at its hard limit, or the server at its byte budget; nothing was queued. */
    Full: "FULL";
    /** The call does not fit the server's state, for example starting it twice. */
    WrongState: "WRONG_STATE";
    /** The call is not allowed on this thread. */
    WrongThread: "WRONG_THREAD";
    /** The start was refused: `onStart` returned stop, or stop was called before. */
    Stopped: "STOPPED";
    /** `onStart` failed; the cause is what it threw. */
    HandlerFailed: "HANDLER_FAILED";
    /** A defect of the engine, caught at its border. */
    Internal: "INTERNAL";
    /** The call has no meaning for this kind of socket, or this way of delivery. */
    Unsupported: "UNSUPPORTED";
}>;
/** @typedef {(typeof Action)[keyof typeof Action]} Action what a callback asks for */
/**
 * The name of an action, of whichever copy of the package; `undefined` of any other value. It never throws.
 * @param {unknown} value
 * @returns {string | undefined}
 */
export function actionName(value: unknown): string | undefined;
/** An action: a value of its own kind, which nothing else can be by mistake. */
declare class ActionValue {
    /**
     * @hideconstructor
     * @param {'None' | 'Close' | 'Detach' | 'Stop'} name
     */
    constructor(name: "None" | "Close" | "Detach" | "Stop");
    /** `Action.Close`. */
    toString(): string;
    /** @internal */
    [inspect.custom](): string;
    #private;
}
import { inspect } from "util";
export {};
