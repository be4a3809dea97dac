'use strict';

const { ReactorError } = require('./error.js');
const { SERVER_OPTIONS } = require('./options.js');
const { Server } = require('./server.js');
const { LISTEN_OPTIONS } = require('./terms.js');
const { optionsOf } = require('./check.js');

/** @typedef {import('./handler.js').Handler} Handler */
/** @typedef {import('./options.js').Options & import('./terms.js').ListenOptions} ServeOptions */

/** Those that end what is served. @type {readonly NodeJS.Signals[]} */
const SIGNALS = ['SIGTERM', 'SIGINT'];
/** Milliseconds that connections may finish in. */
const DEADLINE = 1000;

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
async function serve(handler, ...more) {
  const options = typeof more.at(-1) === 'string' ? undefined : more.pop();
  const given = optionsOf(options, 'options', [...SERVER_OPTIONS, ...LISTEN_OPTIONS]);
  const server = new Server(handler, { stopDeadlineMs: DEADLINE, ...only(given, SERVER_OPTIONS) });
  const stopper = new Stopper(server);
  try {
    listen(server, more, only(given, LISTEN_OPTIONS));
    await server.start();
    await server.wait();
  } catch (error) {
    void server.stop();
    // A signal came before the start.
    if (!stopper.stops || !(error instanceof ReactorError) || error.code !== 'STOPPED') throw error;
  } finally {
    stopper.end();
  }
}

/**
 * @param {Record<string, unknown>} given
 * @param {readonly string[]} names
 */
function only(given, names) {
  return Object.fromEntries(Object.entries(given).filter(([name, value]) => names.includes(name) && value !== undefined));
}

/**
 * @param {Server} server
 * @param {unknown[]} urls
 * @param {object} options
 */
function listen(server, urls, options) {
  for (const url of urls) server.listen(/** @type {string} */ (url), options);
  if (urls.length > 0 || server.listenInherited(options).length > 0) return;
  const message = 'there is nothing to serve: no URL was given, and no socket inherited (LISTEN_FDS)';
  throw new ReactorError('INVALID_ARGUMENT', message);
}

/** Handles the signals until it ends. */
class Stopper {
  /** How many came. */
  stops = 0;
  #server;

  /** @param {Server} server */
  constructor(server) {
    this.#server = server;
    for (const signal of SIGNALS) process.on(signal, this.#stop);
  }

  end() {
    for (const signal of SIGNALS) process.off(signal, this.#stop);
  }

  #stop = () => {
    this.stops += 1;
    if (this.stops === 1) return void this.#server.stopGracefully();
    this.end();
    void this.#server.stop();
  };
}

module.exports = { serve };
