export type Handler = import("./handler.js").Handler;
export type ServeOptions = import("./options.js").Options & import("./terms.js").ListenOptions;
/**
 * Listens at the URLs, or without any at the sockets that the service manager passed on; serves; and resolves when the server has
 * stopped. At the first SIGTERM or SIGINT (Ctrl-C) it stops gracefully: it listens no more, and its connections may finish
 * within `stopDeadlineMs`, which is 1000 here unless it is given. At the second it stops at once; from then on the signals do what
 * they did before. Signals reach the main thread alone: in a Worker nothing stops it but `server.stop` and the like.
 * @param {Handler} handler as `Server` has it
 * @param {[...urls: string[], options: string | ServeOptions] | string[]} more URLs to listen at, and behind them, if you like, the
 *   options of the server and those of its listeners
 * @returns {Promise<void>} rejects with what `listen` and `start` throw; nothing is left open then
 */
export function serve(handler: Handler, ...more: [...urls: string[], options: string | ServeOptions] | string[]): Promise<void>;
