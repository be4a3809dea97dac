// mysql2: its client against its own server.
'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const net = require('net');

const mysql = require('mysql2');

const { attend } = require('./peers/mysql2.cjs');

async function main() {
  const server = mysql.createServer();
  server.on('connection', attend);
  server.listen(0, '127.0.0.1');
  await once(server._server, 'listening');
  assert.ok(server._server instanceof net.Server);
  const client = mysql.createConnection({ host: '127.0.0.1', port: server._server.address().port, user: 'u', password: '' });
  assert.ok(client.stream instanceof net.Socket);
  const [rows] = await client.promise().query('select');
  assert.deepEqual([rows.length, rows[0].answer, rows[999].answer], [1000, 'select 0', 'select 999']);
  client.destroy();
  server._server.close(() => console.log('done'));
}

main();
