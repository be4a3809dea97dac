// mysql2: its client against its own server.
'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const net = require('net');

const mysql = require('mysql2');

async function main() {
  const server = mysql.createServer();
  server.on('connection', (conn) => {
    conn.serverHandshake({
      protocolVersion: 10,
      serverVersion: 'test',
      connectionId: 1,
      statusFlags: 2,
      characterSet: 8,
      capabilityFlags: 0xffffff & ~0x800,
      authCallback: (_, done) => done(null, undefined),
    });
    conn.on('query', (text) => {
      const column = { catalog: 'def', schema: 's', table: 't', orgTable: 't', name: 'answer', orgName: 'answer', characterSet: 33, columnLength: 1 << 20, columnType: 253, flags: 0, decimals: 0 };
      conn.writeColumns([column]);
      for (let at = 0; at < 1000; at += 1) conn.writeTextRow([`${text} ${at}`]);
      conn.writeEof();
    });
    conn.on('error', () => {});
  });
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
