// Answers that take time come from a pool of threads, while this one goes on: in order for each client.
//
// node work.mjs --listen URL [--listen URL]... [--loops N] [--threads N]. Each line is a request:
//
// - `sleep MILLISECONDS TEXT` is answered with the text, that much later,
// - `primes N` with how many primes there are below N.
import { availableParallelism } from 'node:os';

import { Action, line } from 'reactor-engine';

import { checkStreams, fail, parse, serve } from './launch.mjs';
import { Pool } from './work_pool.mjs';

/** @typedef {import('reactor-engine').Conn} Conn */

/** The longest request, in bytes. */
const MAX_LINE = 64 << 10;
/**
 * Requests of one client that may be outstanding; then it is read again when half of them are answered. How many clients there
 * may be is not limited here.
 */
const MAX_OUTSTANDING = 64;

/** What a connection remembers. */
class Client {
  outstanding = 0;
  isPaused = false;
  isEnded = false;
  /** When the last of its requests so far is answered. */
  answered = Promise.resolve();
}

/**
 * Sends an answer that has its turn.
 * @param {Conn} conn
 * @param {string} answer
 */
function send(conn, answer) {
  /** @type {Client} */
  const client = conn.context;
  client.outstanding -= 1;
  try {
    conn.write(`${answer}\n`);
    if (client.isPaused && client.outstanding <= MAX_OUTSTANDING / 2) {
      client.isPaused = false;
      conn.resume();
    }
    if (client.isEnded && client.outstanding === 0) conn.close();
  } catch {
    // The client is gone; or there is no room for an answer, and the engine closes its connection.
  }
}

/** @type {import('reactor-engine').Handler} */
const handler = {
  onOpen(conn) {
    conn.context = new Client();
  },

  // One line.
  onData(conn, data) {
    /** @type {Client} */
    const client = conn.context;
    const { answered } = client;
    const answer = pool.ask(data.toString(), () => conn.isOpen);
    client.answered = answered.then(async () => send(conn, await answer));
    client.outstanding += 1;
    if (client.outstanding < MAX_OUTSTANDING) return;
    client.isPaused = true;
    conn.pause();
  },

  onEof(conn) {
    // The client asks no more, but it waits for answers.
    conn.context.isEnded = true;
    return conn.context.outstanding > 0 ? Action.None : Action.Close;
  },
};

const flags = parse({ threads: availableParallelism() });
checkStreams(flags);
if (flags.threads < 1) fail('--threads: there must be at least one');
const pool = new Pool(flags.threads);
await serve(handler, flags, { halfOpen: true, framing: line({ maxFrame: MAX_LINE }) });
await pool.end();
