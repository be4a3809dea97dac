// The programs of the guide's page about sockets, and the libraries that run on them. Run as they stand there.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';
import test from 'node:test';

import { Server, resp } from 'reactor-engine';

import { dial, isRefused, lineOf, program, rest, run, until } from './guide.mjs';
import { LOOPBACK } from './support.mjs';

const require = createRequire(new URL('libraries/', import.meta.url));
const mysql = require('mysql2');
const { attend } = require('./peers/mysql2.cjs');
const { answer } = require('./peers/pg.cjs');
const { WebSocket } = require('ws');

const HOST = '127.0.0.1';

/** The port of the place that the next line tells. */
async function portOf(server, what) {
  const [, port] = new RegExp(`^${what} at { address: '127\\.0\\.0\\.1', family: 'IPv4', port: (\\d+) }$`).exec(await server.line()) ?? [];
  assert.ok(port, `it does not tell where ${what} is`);
  return Number(port);
}

test('the program of sockets: a chat', async (t) => {
  const server = run(t, program('net.md', 'Sockets: reactor-engine/net'), '0', HOST);
  const url = `tcp://${HOST}:${await portOf(server, 'listening')}`;
  const [one, two, three] = [await dial(t, url), await dial(t, url), await dial(t, url)];
  // All are in.
  assert.deepEqual((await Promise.all([one, two, three].map(lineOf))).sort(), ['1 here\n', '2 here\n', '3 here\n']);
  one.write('good morn');
  one.write('ing\n');
  const told = `${HOST}:${one.localPort}: good morning\n`;
  assert.deepEqual(await Promise.all([two, three].map(lineOf)), [told, told]);
  three.resetAndDestroy();
  assert.match(await server.line(), /^127\.0\.0\.1:\d+ failed: read ECONNRESET$/);
  one.write('more\n');
  assert.equal(await lineOf(two), `${HOST}:${one.localPort}: more\n`);
  server.child.kill('SIGTERM');
  assert.deepEqual(await Promise.all([rest(one), rest(two)]), ['good-bye\n', 'good-bye\n']);
  for (const client of [one, two]) client.end();
  assert.deepEqual(await server.rest(), []);
});

/** The servers of others, as they stand there: the ports of the web and of MQTT. */
async function servers(t) {
  const server = run(t, program('net.md', 'Servers of others'), '0', '0', HOST);
  return { server, web: await portOf(server, 'web'), mqtt: await portOf(server, 'mqtt') };
}

test('the program with the servers of others', async (t) => {
  const { server, web, mqtt } = await servers(t);
  for (const path of ['/one', '/two']) assert.equal(await (await fetch(`http://${HOST}:${web}${path}`)).text(), `you asked for ${path}`);
  const socket = new WebSocket(`ws://${HOST}:${web}`);
  await once(socket, 'open');
  for (const [data, isBinary] of [['hello', false], [Buffer.alloc(200_000, 'x'), true]]) {
    socket.send(data);
    const [heard, binary] = await once(socket, 'message');
    assert.deepEqual([heard.toString(), binary], [data.toString(), isBinary]);
  }
  const { connectAsync } = require('mqtt');
  const [speaker, listener] = [await connectAsync(`mqtt://${HOST}:${mqtt}`), await connectAsync(`mqtt://${HOST}:${mqtt}`)];
  await listener.subscribeAsync('news', { qos: 1 });
  const told = once(listener, 'message');
  await speaker.publishAsync('news', 'hello', { qos: 1 });
  assert.equal((await told)[1].toString(), 'hello');
  await Promise.all([speaker.endAsync(), listener.endAsync()]);
  socket.close();
  await once(socket, 'close');
  server.child.kill('SIGTERM');
  await until(() => isRefused({ host: HOST, port: web }));
  assert.deepEqual(await server.rest(), []);
});

/** Answers ECHO, and says OK to everything else. */
async function redis(t) {
  const server = new Server({
    onCommand(conn, [name, what]) {
      if (name.toString().toLowerCase() === 'echo') conn.writev([`$${what.length}\r\n`, what, '\r\n']);
      else conn.write('+OK\r\n');
    },
  }, { loops: 1 });
  t.after(() => server.stop());
  server.listen(LOOPBACK, { framing: resp() });
  await server.start();
  return Number(server.addresses[0].split(':').at(-1));
}

async function listening(t, server) {
  server.listen(0, HOST);
  t.after(() => server.close());
  await once(server, 'listening');
  return server.address().port;
}

test('the program with the clients of others', async (t) => {
  const { server, web, mqtt } = await servers(t);
  const postgres = await listening(t, net.createServer((socket) => socket.on('data', (data) => answer(socket, data)).on('error', () => {})));
  const database = mysql.createServer();
  database.on('connection', attend);
  const ports = [await redis(t), postgres, await listening(t, database._server), mqtt, web];
  const clients = run(t, program('net.md', 'Clients of others'), HOST, ...ports.map(String));
  const select = "select 'hello' as answer 0";
  const lines = ['redis: hello', `pg: ${select}`, `mysql2: ${select}`, 'mqtt: hello', 'ws: hello'];
  for (const line of lines) assert.equal(await clients.line(), line);
  assert.deepEqual(await clients.rest(), []);
  server.child.kill('SIGTERM');
  assert.deepEqual(await server.rest(), []);
});
