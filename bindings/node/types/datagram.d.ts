/** What came with a datagram: who sent it, and where to. `conn.sendTo` takes it to answer the sender. */
export class Datagram {
    /**
     * @hideconstructor
     * @param {Buffer} envelope
     * @param {number} size
     */
    constructor(envelope: Buffer, size: number);
    /** Bytes of the datagram. @readonly */
    readonly size: number;
    /** The sender's IP address, without the port. */
    get address(): string;
    /** The sender's port. */
    get port(): number;
    /** The kind of the sender's address. */
    get family(): "IPv4" | "IPv6";
    /** The sender's address, as `conn.sendTo` takes it: `127.0.0.1:5000` or `[::1]:5000`. */
    get sender(): string;
    /** The IP address that it was sent to: one of this machine's, a multicast group, or everybody's. `null` if it is not known. */
    get destination(): string | null;
    /** The number of the network interface by which it came; `null` if it is not known. */
    get interface(): number | null;
    /** Whether it was longer than the listener's `datagramSize`, and its end is lost. */
    get truncated(): boolean;
    #private;
}
/** Bytes of what comes with a datagram: see `Envelope` of the engine's log. */
export const LENGTH: 64;
/**
 * An address to send to, as the addon takes it.
 * @param {string | { address: string, port: number }} to
 * @returns {string}
 */
export function addressText(to: string | {
    address: string;
    port: number;
}): string;
/**
 * What the addon answers a datagram by.
 * @type {(datagram: Datagram) => Buffer}
 */
export let envelopeOf: (datagram: Datagram) => Buffer;
