// ws: a server upon an http server whose connections are ours, and a client whose socket is ours.
'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const net = require('net');

const { WebSocket, WebSocketServer } = require('ws');

async function main() {
  const server = http.createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })));
  const front = net.createServer((socket) => server.emit('connection', socket)).listen(0, '127.0.0.1');
  await once(front, 'listening');
  const client = new WebSocket(`ws://127.0.0.1:${front.address().port}`);
  await once(client, 'open');
  assert.ok(client._socket instanceof net.Socket);
  const ask = async (data) => {
    client.send(data);
    return (await once(client, 'message'))[0];
  };
  assert.equal(String(await ask('hello')), 'hello');
  const large = Buffer.alloc(5 << 20, 'large');
  assert.ok(large.equals(await ask(large)));
  const pongs = once(client, 'pong');
  client.ping('x');
  assert.equal(String((await pongs)[0]), 'x');
  client.close(4000, 'enough');
  assert.deepEqual((await once(client, 'close')).map(String), ['4000', 'enough']);
  const cut = new WebSocket(`ws://127.0.0.1:${front.address().port}`);
  await once(cut, 'open');
  const [[peer]] = [[...sockets.clients]];
  peer.terminate();
  assert.equal((await once(cut, 'close'))[0], 1006);
  front.close(() => console.log('done'));
}

main();
