// The servers that are looked at: servers.mjs MODE. Each obeys the same words, one a line, and tells on request what it holds.
import { readFileSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setImmediate as immediate } from 'node:timers/promises';

import { Action, Server, line } from 'reactor-engine';

/** What `big` is answered with: more than the kernel takes at once. */
const BIG = Buffer.alloc(1 << 20, Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)));

const say = (members) => console.log(JSON.stringify(members));

/** Memory of the process's own, in bytes. */
const resident = () => Number(readFileSync('/proc/self/status', 'utf8').match(/^RssAnon:\s+(\d+) kB$/m)[1]) * 1024;

/** Resources by name, now. */
async function look(server) {
  // What the collector finalizes, it does behind its back.
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc();
    await immediate();
  }
  const { heapUsed: heap, external, arrayBuffers } = process.memoryUsage();
  const descriptors = readdirSync('/proc/self/fd').length;
  return { connections: server.connections, heap, external: external + arrayBuffers, descriptors, memory: resident() };
}

/** Of a client that may have gone meanwhile. */
function answerHeld(conn, text) {
  try {
    conn.write(text);
    conn.release();
  } catch (error) {
    if (error.code !== 'CLOSED') throw error;
  }
}

/** What a word does; what it gives is the callback's result. */
const WORDS = {
  echo: (conn) => void conn.write('echo\n'),
  late: (conn) => void conn.setTimer(1),
  wake: (conn) => conn.wake(),
  async promised(conn) {
    await immediate();
    conn.write('promised\n');
  },
  held(conn) {
    conn.hold();
    setImmediate(() => answerHeld(conn, 'held\n'));
  },
  written: (conn) => conn.writeAsync('writ').then(() => void conn.write('ten\n')),
  big: (conn) => conn.writeAsync(BIG),
  connect(conn, server) {
    conn.hold();
    server.connect(server.addresses[0], { context: { asker: conn }, framing: line() });
  },
  close: (conn) => (conn.write('close\n'), Action.Close),
  fail() {
    throw new Error('told to');
  },
};

/** What is no failure: what it was told, and what a client that has gone makes fail. */
const isExpected = ({ code, message }) => code === 'CLOSED' || message === 'told to';

function serve(mode) {
  const server = new Server({
    onOpen(conn) {
      // It refers back: only the collector frees that.
      conn.data = { ...conn.data, conn };
      if (conn.data.asker) conn.write('echo\n');
    },
    onData(conn, data) {
      const { asker } = conn.data;
      if (!asker) return WORDS[data](conn, server);
      // An answer to what `connect` has connected.
      answerHeld(asker, 'connect\n');
      return Action.Close;
    },
    onTimer: (conn) => void conn.write('late\n'),
    onWake: (conn) => void conn.write('wake\n'),
    onError: (error) => void (isExpected(error) || say({ failed: error.stack })),
  }, mode === 'inline' ? { mode } : { mode, loops: 2 });
  const url = server.listen('tcp://127.0.0.1:0', { framing: line() });
  return server.start().then(() => (say({ url }), server));
}

process.on('warning', ({ message }) => say({ failed: message }));
const server = await serve(process.argv[2]);
const asked = createInterface({ input: process.stdin });
asked.on('line', async () => say(await look(server))).on('close', () => void server.stop());
