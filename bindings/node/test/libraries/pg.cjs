// pg against a small peer that speaks as much of its protocol as a query needs.
'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const net = require('net');

const { Client } = require('pg');

const { answer } = require('./peers/pg.cjs');

async function main() {
  const server = net.createServer((socket) => socket.on('data', (data) => answer(socket, data))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = new Client({ host: '127.0.0.1', port: server.address().port, user: 'u', database: 'd' });
  await client.connect();
  assert.ok(client.connection.stream instanceof net.Socket);
  const { rows } = await client.query('select');
  assert.deepEqual([rows.length, rows[0].answer, rows[999].answer], [1000, 'select 0', 'select 999']);
  await client.end();
  server.close(() => console.log('done'));
}

main();
