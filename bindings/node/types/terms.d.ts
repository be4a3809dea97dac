/**
 * takes what is wrong with a function that measures frames
 */
export type Failed = (error: unknown) => void;
export type Framing = import("./framing.js").Framing;
export type NativeOption = import("../types/native.js").NativeOption;
export type Term = import("../types/native.js").Term;
/**
 * What a connection begins with, beside what stands in the query of the URL, which wins.
 */
export type ConnOptions = {
    /**
     * Milliseconds without traffic after which it is closed with `idle`; 0 for never. What the peer takes of
     * bytes that the kernel holds for it is traffic, too. Default: never.
     */
    idle?: number;
    /**
     * Milliseconds in which nothing came while it was read, after which it is closed with `time-out`; 0 for
     * never. Default: never.
     */
    read?: number;
    /**
     * Milliseconds in which neither the kernel nor the peer took output, after which it is reset with
     * `time-out`; 0 for never. Default: never.
     */
    write?: number;
    /**
     * Whether it goes on after the peer's end of file, which `onEof` is told. Default: false, it is closed
     * then, once everything is answered.
     */
    halfOpen?: boolean;
    /**
     * How input is cut into frames: one of `line()` and
     * the like, or as it stands in a query; or, in mode `'inline'`, a function that measures them, as `custom` has it. Default: not
     * at all.
     */
    framing?: Framing | string | import("./framing.js").Measure | null;
};
/**
 * What sockets of listeners and of outgoing connections have in common.
 */
export type SocketTerms = {
    /**
     * Whether small writes leave at once (tcp). Default: true.
     */
    nodelay?: boolean;
    /**
     * Whether the kernel probes silent connections (tcp). Default: false.
     */
    keepalive?: KeepAlive;
    /**
     * Bytes of the kernel's receive buffer (tcp, udp). Default: the system's.
     */
    recvBuffer?: number;
    /**
     * Bytes of the kernel's send buffer. Default: the system's.
     */
    sendBuffer?: number;
    /**
     * The one network interface to be reached through, or to leave by (tcp, udp). Default: all.
     */
    device?: string;
    /**
     * Whether datagrams may go to broadcast addresses (udp). Default: false.
     */
    broadcast?: boolean;
};
/**
 * Whether, or after how many seconds of silence, a connection is probed; or in a list these, the seconds between probes, and how
 * many of them end it.
 */
export type KeepAlive = boolean | number | readonly number[];
export type ListenTerms = {
    /**
     * Whether several sockets share the address, among which the kernel deals out what arrives (tcp,
     * udp). Default: false.
     */
    reuseport?: boolean;
    /**
     * Connections that the kernel queues before they are accepted, above 0 (tcp, unix). Default: 4096.
     */
    backlog?: number;
    /**
     * Whether an IPv6 socket leaves IPv4 alone. Default: true, unless the host is left out.
     */
    ipv6Only?: boolean;
    /**
     * The permission bits of a Unix socket's path, whatever the umask: `0o600`. Default: what the umask
     * leaves.
     */
    unixMode?: number;
    /**
     * Whether other processes accept from the socket, too, so that a stop does not end the listening (tcp,
     * unix). Default: true for a socket that was inherited.
     */
    shared?: boolean;
    /**
     * Bytes of a datagram that are received at most (udp). Default: 65,535.
     */
    datagramSize?: number;
    /**
     * Multicast groups to receive from, each `GROUP` or `GROUP@INTERFACE` (udp).
     * Default: none.
     */
    multicast?: string | readonly string[];
};
/**
 * What an outgoing or enrolled connection is told besides.
 */
export type OwnTerms = {
    /**
     * The loop that it lives on, from 0. Default: each in its turn.
     */
    loop?: number;
    /**
     * What `conn.context`, which is `conn.data`, is from the beginning.
     */
    context?: unknown;
};
export type ConnectTerms = {
    /**
     * Milliseconds that looking up the name and connecting may take together. Default: 30,000.
     * `null`: for ever.
     */
    timeoutMs?: number | null;
    /**
     * The local address to connect from: `IP` or `IP:PORT` (tcp, udp). Default: the system's choice.
     */
    bind?: string;
};
/**
 * the options of an outgoing connection
 */
export type ConnectOptions = ConnOptions & SocketTerms & ConnectTerms & OwnTerms;
/**
 * the options of an enrolled connection
 */
export type EnrollOptions = ConnOptions & OwnTerms;
/**
 * the options of a listener, and of its connections
 */
export type ListenOptions = ConnOptions & SocketTerms & ListenTerms;
/**
 * Options of an open socket.
 */
export type SocketOptions = {
    /**
     * Whether small writes leave at once (tcp).
     */
    nodelay?: boolean;
    /**
     * Whether the kernel probes a silent connection (tcp).
     */
    keepalive?: KeepAlive;
    /**
     * Bytes of the kernel's receive buffer, above 0. It caps the number and then doubles it.
     */
    recvBuffer?: number;
    /**
     * Bytes of the kernel's send buffer, above 0. It caps the number and then doubles it.
     */
    sendBuffer?: number;
    /**
     * Hops that packets may go, 1 to 255 (tcp, udp).
     */
    ttl?: number;
    /**
     * Whether datagrams may go to broadcast addresses (udp).
     */
    broadcast?: boolean;
    /**
     * Hops that multicast datagrams may go, 0 to 255 (udp).
     */
    multicastTtl?: number;
    /**
     * Whether this machine hears the multicast datagrams that it sends (udp).
     */
    multicastLoop?: boolean;
};
/** @type {readonly string[]} */
export const LISTEN_OPTIONS: readonly string[];
/**
 * The options of an outgoing connection as the addon takes them, and its context.
 * @param {unknown} options
 * @param {Failed} failed
 */
export function connectTerms(options: unknown, failed: Failed): {
    native: {
        onLoop?: number;
        terms: import("../types/native.js").Term[];
        timeoutMs: number;
    };
    context: unknown;
};
/**
 * The same of an enrolled one.
 * @param {unknown} options
 * @param {Failed} failed
 */
export function enrollTerms(options: unknown, failed: Failed): {
    native: {
        onLoop?: number;
        terms: import("../types/native.js").Term[];
        timeoutMs: number;
    };
    context: unknown;
};
/** @typedef {(error: unknown) => void} Failed takes what is wrong with a function that measures frames */
/**
 * The options of a listener as the addon takes them.
 * @param {unknown} options
 * @param {Failed} failed
 * @returns {Term[]}
 */
export function listenTerms(options: unknown, failed: Failed): Term[];
/**
 * The options of an open socket as the addon takes them.
 * @param {unknown} options
 * @returns {Term[]}
 */
export function socketOptions(options: unknown): Term[];
/**
 * @param {unknown} value
 * @param {string} what
 * @returns {number} milliseconds, 0 for never
 */
export function timeout(value: unknown | undefined, what: string): number;
