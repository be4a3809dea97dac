// Connects each client to a server, and passes on what either says.
//
// node proxy.mjs --listen URL [--listen URL]... [--loops N] --to URL, over TCP and Unix sockets on both sides.
import { getSystemErrorMap } from 'node:util';

import { Action, CloseReason } from 'reactor-engine';

import { fail, parse, serve } from './launch.mjs';

/** @typedef {import('reactor-engine').Conn} Conn */

/**
 * Unsent bytes of one side above which the other is read no further, until they are sent. Well below the engine's high-water mark,
 * at which a side is not read itself: two that both send before they read would wait for ever.
 */
const QUEUE_MARK = 256 << 10;

/**
 * How a connection ends that was not broken.
 * @type {readonly string[]}
 */
const ENDS = [CloseReason.Eof, CloseReason.LocalClose, CloseReason.Shutdown];

/** @param {string} text */
function complain(text) {
  console.error(`proxy: ${text}`);
}

/**
 * Runs a call on a connection that may be gone.
 * @param {() => unknown} call
 */
function ifOpen(call) {
  try {
    call();
  } catch {
    // Its onClose has told the other side, or will.
  }
}

/**
 * The other side is broken, and what this one says is lost. It must not take that for an end.
 * @param {Conn} conn
 */
function giveUp(conn) {
  ifOpen(() => conn.abort());
}

/** @param {number} errno */
function messageOf(errno) {
  const [, text = `error ${errno}`] = getSystemErrorMap().get(-errno) ?? [];
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** @type {import('reactor-engine').Server} */
let server;

/**
 * Each connection of a pair has the other one, which lives on the same loop, for its context.
 * @type {import('reactor-engine').Handler}
 */
const handler = {
  onStart(started) {
    server = started;
  },

  onOpen(conn) {
    if (conn.context) return Action.None; // The outgoing connection has its context from the beginning.
    try {
      // It takes writes at once: what the client says before the server is there waits in its queue.
      conn.context = server.connect(flags.to, { halfOpen: true, loop: conn.info().loop, context: conn });
      return Action.None;
    } catch (error) {
      complain(/** @type {Error} */ (error).message);
      return Action.Close;
    }
  },

  onData(conn, data) {
    /** @type {Conn} */
    const other = conn.context;
    try {
      if (other.info().queuedBytes <= QUEUE_MARK) return void other.write(data);
    } catch {
      return giveUp(conn);
    }
    // Who receives is slower than who sends, and the sender has to feel it: it is not read until this has been sent.
    return other.writeAsync(data).catch(() => giveUp(conn));
  },

  onEof(conn) {
    try {
      conn.context.end();
    } catch {
      giveUp(conn);
    }
  },

  onClose(conn, reason, errno) {
    /** @type {Conn | null} */
    const other = conn.context;
    if (!other) return;
    // The two of a pair would keep each other.
    conn.context = null;
    // While connecting: there are no other time-outs.
    const failed = reason === CloseReason.ConnectFailed || reason === CloseReason.TimedOut;
    if (failed) complain(`${flags.to}: ${reason}${errno ? `: ${messageOf(errno)}` : ''}`);
    // What is queued for the other side is sent before it closes; if this one broke, the other must not take what it has for all there was.
    ifOpen(() => (failed || ENDS.includes(reason) ? other.close() : other.abort()));
  },
};

const flags = parse({ to: '' });
if (!flags.to) fail('--to URL is missing');
await serve(handler, flags, { halfOpen: true });
