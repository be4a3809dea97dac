// What every example does around its handler: the command line, the addresses, the signals. REACTOR_MODE=inline in the
// environment has Node's own event loop drive the server: then it has one loop.
import { writeSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';

import * as reactor from 'reactor-engine';

/** @typedef {{ listen: string[], loops: number }} Flags those that all examples have */
/** @typedef {Record<string, string | number>} Own those of an example, with their defaults */

const PROGRAM = basename(process.argv[1] ?? '', '.mjs');
/** Milliseconds that connections may go on after a signal. A second signal ends them at once. */
const GRACE = 1000;

/**
 * Ends the program, and says why in one line, whatever the message quotes.
 * @param {string} message
 * @returns {never}
 */
export function fail(message) {
  console.error(`${PROGRAM}: ${message.replace(/\s*[\r\n]\s*/g, ' ')}`);
  process.exit(1);
}

/** The arguments, with "--flag -value" as "--flag=-value", which parseArgs wants. */
function args() {
  /** @type {string[]} */
  const joined = [];
  for (const arg of process.argv.slice(2)) {
    if (/^-[^-]/.test(arg) && /^--[\w-]+$/.test(joined.at(-1) ?? '')) joined.push(`${joined.pop()}=${arg}`);
    else joined.push(arg);
  }
  return joined;
}

/**
 * @param {string} name
 * @param {string} text
 */
function number(name, text) {
  if (!/^\d{1,15}$/.test(text)) fail(`--${name} takes a number, not ${JSON.stringify(text)}`);
  return Number(text);
}

/**
 * @param {string[]} names of flags
 * @returns {{ listen?: string[], given: Record<string, string | undefined> }}
 */
function parsed(names) {
  const listen = { type: /** @type {const} */ ('string'), multiple: true };
  const options = Object.fromEntries(names.map((name) => [name, { type: /** @type {const} */ ('string') }]));
  try {
    const { values } = parseArgs({ args: args(), options: { ...options, listen } });
    const { listen: urls, ...given } = /** @type {any} */ (values);
    return { listen: urls, given };
  } catch (error) {
    const known = Object.keys({ listen, ...options }).map((name) => `--${name}`);
    return fail(`${/** @type {Error} */ (error).message} (known: ${known.join(', ')})`);
  }
}

/**
 * What the command line says: `--listen URL [--listen URL]... [--loops N]`, and the example's own flags.
 * @template {Own} [Given={}]
 * @param {Given} own
 * @returns {Flags & Given}
 */
export function parse(own) {
  const usual = { loops: 0, ...own };
  const { listen, given } = parsed(Object.keys(usual));
  if (!listen) fail('--listen URL is missing');
  const flags = Object.entries(usual).map(([name, value]) => {
    const text = given[name];
    return [name, text === undefined ? value : typeof value === 'number' ? number(name, text) : text];
  });
  return { listen, ...Object.fromEntries(flags) };
}

/**
 * Most protocols need connections: addresses for datagrams are refused.
 * @param {Flags} flags
 */
export function checkStreams({ listen }) {
  const url = listen.find((one) => one.startsWith('udp'));
  if (url !== undefined) fail(`"${url}": this example speaks over connections, not datagrams`);
}

/**
 * Says where it listens, and serves until a signal ends it, with the options of `serve` in the package.
 * @param {reactor.Handler} handler
 * @param {Flags} flags
 * @param {reactor.ServeOptions} [options]
 */
export async function serve(handler, { listen, loops }, options) {
  const mode = /** @type {'threads'} */ (process.env['REACTOR_MODE'] ?? 'threads');
  /** @param {reactor.Server} server */
  const onStart = (server) => {
    // Not `console.log`, which passes over an output that is full.
    for (const { address } of server.listeners) writeSync(1, `listening on ${address}\n`);
    return handler.onStart?.(server);
  };
  try {
    await reactor.serve({ ...handler, onStart }, ...listen, { mode, loops, stopDeadlineMs: GRACE, ...options });
  } catch (error) {
    const { message, cause } = /** @type {Error} */ (error);
    fail(cause instanceof Error ? cause.message : message);
  }
}
