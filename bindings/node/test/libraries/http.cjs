// Node's own http over our sockets: the server by its 'connection' event, the client by createConnection.
'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const net = require('net');

const BODY = Buffer.alloc(3 << 20, 'body');

async function main() {
  const server = http.createServer(async (request, response) => {
    assert.ok(request.socket instanceof net.Socket);
    let length = 0;
    for await (const chunk of request) length += chunk.length;
    response.setHeader('x-length', length);
    response.end(request.url === '/large' ? BODY : 'small');
  });
  const front = net.createServer((socket) => server.emit('connection', socket)).listen(0, '127.0.0.1');
  await once(front, 'listening');
  const { port } = front.address();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
  agent.createConnection = (options, connected) => net.connect(options, connected);
  const ask = (path, body) => new Promise((resolve, reject) => {
    const request = http.request({ port, host: '127.0.0.1', path, method: body ? 'POST' : 'GET', agent }, async (response) => {
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      resolve({ headers: response.headers, body: Buffer.concat(chunks), reused: request.reusedSocket });
    });
    request.on('error', reject).end(body);
  });
  const small = await ask('/');
  assert.deepEqual([small.headers['x-length'], String(small.body)], ['0', 'small']);
  const large = await ask('/large', BODY);
  assert.deepEqual([large.headers['x-length'], large.body.equals(BODY), large.reused], [String(BODY.length), true, true]);
  const many = await Promise.all(Array.from({ length: 50 }, () => ask('/', 'abc')));
  assert.ok(many.every(({ headers, body }) => headers['x-length'] === '3' && String(body) === 'small'));
  // Upgrades hand the socket over.
  server.on('upgrade', (request, socket, head) => socket.end(`HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n${head}`));
  const raw = net.connect(port, '127.0.0.1');
  raw.write('GET / HTTP/1.1\r\nhost: x\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhead');
  let text = '';
  for await (const chunk of raw) text += chunk;
  assert.match(text, /^HTTP\/1.1 101 .*head$/s);
  agent.destroy();
  server.closeAllConnections();
  front.close(() => console.log('done'));
}

main();
