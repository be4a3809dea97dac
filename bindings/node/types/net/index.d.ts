/**
 * `node:net` upon the engine: what is exported has the types that Node's has.
 *
 * Sockets of both are not instances of each other's classes.
 */
export * from 'node:net';

/** Who drives the engine: Node's own event loop, which is the default, or a thread beside it. */
export type EngineMode = 'inline' | 'threads';

/**
 * Says who drives the engine of this thread. It comes before the first server and socket.
 * @throws {Error} if the engine runs already, and {@link TypeError} for what is no mode
 */
export function setEngineMode(mode: EngineMode): void;
