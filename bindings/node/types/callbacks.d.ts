export type Handler = import("./handler.js").Handler;
export type LogLevel = import("./handler.js").LogLevel;
export type Server = import("./server.js").Server;
export type Entry = import("./table.js").Entry;
/** @typedef {import('./handler.js').Handler} Handler */
/** @typedef {import('./handler.js').LogLevel} LogLevel */
/** @typedef {import('./server.js').Server} Server */
/** @typedef {import('./table.js').Entry} Entry */
/** Calls the user's callbacks, does what they answer, and reports those that fail. It never throws. */
export class Callbacks {
    /**
     * @param {Handler} handler
     * @param {boolean} isSilent the log is off
     * @param {() => import('./conn.js').NativeServer} engine
     */
    constructor(handler: Handler, isSilent: boolean, engine: () => import("./conn.js").NativeServer);
    /**
     * The server starts here: the contexts of its connections begin as this one.
     * @param {Server} server
     */
    starts(server: Server): void;
    get server(): Server;
    /** A context of its own. */
    fork(): Scope;
    /**
     * Calls one callback of a connection, in its context.
     * @param {Entry} entry
     * @param {'onOpen' | 'onDrain' | 'onWake' | 'onTimer' | 'onClose'} name
     * @param {unknown[]} args
     */
    tellOf(entry: Entry, name: "onOpen" | "onDrain" | "onWake" | "onTimer" | "onClose", ...args: unknown[]): void;
    /**
     * Calls one callback, if there is one.
     * @param {Entry | null} entry
     * @param {'onOpen' | 'onData' | 'onDatagram' | 'onCommand' | 'onEof' | 'onDrain' | 'onWake' | 'onTimer' | 'onClose' | 'onStopping' | 'onStop'} name
     * @param {unknown[]} args
     */
    invoke(entry: Entry | null, name: "onOpen" | "onData" | "onDatagram" | "onCommand" | "onEof" | "onDrain" | "onWake" | "onTimer" | "onClose" | "onStopping" | "onStop", args: unknown[]): void;
    /** @param {'onStopping' | 'onStop'} name */
    ofServer(name: "onStopping" | "onStop"): void;
    /**
     * Calls onTick.
     * @returns {Promise<{ answer?: number | null }>} milliseconds to the next; nothing if it has failed
     */
    tick(): Promise<{
        answer?: number | null;
    }>;
    /**
     * Calls a function of the user's that concerns no connection.
     * @template Given
     * @param {string} name
     * @param {(given: Given) => unknown} callback
     * @param {Given} given
     */
    call<Given>(name: string, callback: (given: Given) => unknown, given: Given): void;
    /**
     * The engine says something.
     * @param {string} level
     * @param {string} message
     */
    told(level: string, message: string): void;
    /**
     * Takes what onStart returned; says whether it refuses the start.
     * @param {unknown} answer
     * @returns {boolean}
     */
    refusesStart(answer: unknown): boolean;
    /**
     * Does what a callback asks for, now or when its promise has ended, which holds its connection.
     * @param {Entry | null} entry
     * @param {string} name
     * @param {unknown} answer
     */
    answered(entry: Entry | null, name: string, answer: unknown): void;
    /**
     * @param {Entry | null} entry
     * @param {string} name
     * @param {unknown} answer
     */
    obey(entry: Entry | null, name: string, answer: unknown): void;
    /**
     * @param {Entry | null} entry
     * @param {string} name
     * @param {unknown} thrown
     */
    failed(entry: Entry | null, name: string, thrown: unknown): void;
    #private;
}
import { Scope } from "./scope.js";
