// A program for blocked.test.mjs: echoes, and counts who comes and goes. A connection that says `block PATH` blocks the JavaScript
// thread until somebody opens that FIFO for writing.
import { closeSync, openSync, writeSync } from 'node:fs';

import { Server } from 'reactor-engine';

const say = (text) => void writeSync(1, `${text}\n`);
const counts = { opened: 0, closed: 0, read: 0 };

const server = new Server({
  onOpen: () => void (counts.opened += 1),
  onClose: () => void (counts.closed += 1),
  onData(conn, data) {
    const [, path] = String(data.subarray(0, 200)).match(/^block (.*)\n$/) ?? [];
    if (path) {
      say('blocked');
      closeSync(openSync(path));
      return say('goes on');
    }
    counts.read += data.length;
    conn.write(data);
  },
}, { mode: 'threads', loops: 2 });
say(server.listen('tcp://127.0.0.1:0'));
await server.start();
process.stdin.on('data', () => say(JSON.stringify(counts))).on('end', () => void server.stop());
