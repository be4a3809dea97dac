// A cache that speaks with the clients of Redis (RESP2, and RESP3 if they ask): strings, counters, times to live.
//
// node kv.mjs --listen URL [--listen URL]... [--loops N]; then `redis-cli -p PORT`. The engine cuts the requests: a line that a
// person types may have quotes, which it has not in C and Rust. The order of COMMAND and the cursors of SCAN are its own in each language.
import { Action, resp } from 'reactor-engine';

// The commands: each module adds its own to those that kv_commands.mjs executes.
import './kv_about.mjs';
import './kv_keys.mjs';
import './kv_transaction.mjs';
import './kv_values.mjs';

import { Client, execute } from './kv_commands.mjs';
import { bytesOf, encode } from './kv_replies.mjs';
import { Store } from './kv_store.mjs';
import { checkStreams, parse, serve } from './launch.mjs';

/** Milliseconds from one removal of what has expired to the next; nobody sees it before that either. */
const SWEEP = 100;
const MAX_REQUEST = 1 << 30;
/** Bytes. The largest value is 512 MiB, and one may be queued behind another. */
const HARD_LIMIT = 2 ** 31;

const store = new Store();
let clients = 0;

/**
 * @param {import('reactor-engine').Conn} conn
 * @param {Buffer[]} pieces
 */
function send(conn, pieces) {
  const [first] = pieces;
  return pieces.length === 1 && first ? conn.write(first) : conn.writev(pieces);
}

/** @type {import('reactor-engine').Handler} */
const handler = {
  onOpen(conn) {
    clients += 1;
    conn.context = new Client(store, clients);
  },

  onCommand(conn, args) {
    /** @type {Client} */
    const client = conn.context;
    /** @type {import('./kv_replies.mjs').Part[]} */
    const parts = [];
    encode(execute(client, args), client.protocol, parts);
    const hasRoom = send(conn, bytesOf(parts));
    if (client.isOver) return Action.Close;
    if (hasRoom) return Action.None;
    // The rest of what came with this command waits until the client has read.
    conn.hold();
    client.isHeld = true;
    return Action.None;
  },

  onDrain(conn) {
    if (!conn.context.isHeld) return;
    conn.context.isHeld = false;
    conn.release();
  },

  onClose(conn) {
    store.unwatch(conn.context.watch);
  },

  onTick() {
    return store.sweep() ? 0 : SWEEP;
  },
};

const flags = parse({});
checkStreams(flags);
await serve(handler, flags, { framing: resp({ maxFrame: MAX_REQUEST }), hardLimit: HARD_LIMIT });
