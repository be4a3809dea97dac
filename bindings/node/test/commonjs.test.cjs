'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const net = require('node:net');
const test = require('node:test');

const { Server, ReactorError } = require('reactor-engine');

test('require gives the same package as import', async (t) => {
  const server = new Server({ onData: (conn, data) => void conn.write(data) });
  const port = Number(server.listen('tcp://127.0.0.1:0').split(':').pop());
  await server.start();
  t.after(() => server.stop());
  const socket = net.connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.write('hello');
  const [answer] = await once(socket, 'data');
  assert.equal(answer.toString(), 'hello');
  const imported = await import('reactor-engine');
  assert.equal(imported.Server, Server);
  assert.equal(imported.ReactorError, ReactorError);
});
