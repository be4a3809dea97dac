// Serves with the installed package: smoke.mjs MODE. It runs in Node, Bun and Deno.
import assert from 'node:assert/strict';
import net from 'node:net';

import { CloseReason, Server, lengthField } from 'reactor-engine';

const [mode] = process.argv.slice(2);

const deferred = () => {
  let resolve;
  return { promise: new Promise((settle) => (resolve = settle)), resolve };
};

/** What comes, until so many bytes are there. */
function read(socket, length) {
  const chunks = [];
  return new Promise((resolve, reject) => {
    socket.on('error', reject).on('data', (chunk) => {
      chunks.push(chunk);
      const all = Buffer.concat(chunks);
      if (all.length >= length) resolve(all);
    });
  });
}

const closed = deferred();
const server = new Server({
  async onData(conn, data) {
    await null;
    conn.writeFrame(Buffer.from(String(data).toUpperCase()));
  },
  onClose: (conn, reason) => closed.resolve(reason),
}, { mode, loops: mode === 'inline' ? 1 : 2 });
const url = server.listen('tcp://127.0.0.1:0', { framing: lengthField({ width: 2 }) });
await server.start();
const socket = net.connect(Number(url.split(':').pop()), '127.0.0.1', () => socket.write('\0\x05hello\0\x05world'));
assert.equal(String(await read(socket, 14)), '\0\x05HELLO\0\x05WORLD');
socket.end();
assert.equal(await closed.promise, CloseReason.Eof);
assert.equal(server.metrics().accepted, 1);
await server.stop();
assert.throws(() => new Server({ onDate() {} }), { code: 'INVALID_ARGUMENT', message: /onDate/ });
console.log(`reactor-engine serves, ${mode}`);
