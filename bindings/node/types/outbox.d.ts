export type NativeServer = import("./conn.js").NativeServer;
export type Session = import("./session.js").Session;
/**
 * Gathers what the callbacks for one log write, so that it crosses the border together. Nothing is gathered that could be refused: a
 * session knows how much room there is at least (`session.room`), and the engine is asked for more. What does not fit is for the
 * engine itself.
 */
export class Outbox {
    /**
     * @param {NativeServer} native
     * @param {(high: number, low: number) => void} full is told of a connection whose writes were lost
     */
    constructor(native: NativeServer, full: (high: number, low: number) => void);
    /** Gathers from now on. */
    open(): void;
    /** Makes the writes, and gathers no more. */
    close(): void;
    /**
     * Takes a write; or not, and then it is to be made at once.
     * @param {Session} session
     * @param {Uint8Array} bytes
     * @returns {boolean}
     */
    add(session: Session, bytes: Uint8Array): boolean;
    /**
     * The same for a write in several pieces.
     * @param {Session} session
     * @param {Uint8Array[]} parts
     * @returns {boolean}
     */
    addParts(session: Session, parts: Uint8Array[]): boolean;
    /** Makes the writes that were gathered. What is asked of the engine comes behind them. */
    flush(): void;
    #private;
}
