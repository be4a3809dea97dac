// mqtt and aedes: client and broker.
'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const net = require('net');

const { connectAsync } = require('mqtt');

async function main() {
  const { Aedes } = await import('aedes');
  const broker = await Aedes.createBroker();
  const server = net.createServer(broker.handle).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const place = `mqtt://127.0.0.1:${server.address().port}`;
  const [first, second] = await Promise.all([connectAsync(place), connectAsync(place)]);
  assert.ok(first.stream instanceof net.Socket);
  await second.subscribeAsync('topic/#', { qos: 1 });
  const large = Buffer.alloc(1 << 20, 'large');
  const heard = [];
  second.on('message', (topic, payload) => heard.push([topic, payload.length]));
  for (let at = 0; at < 100; at += 1) await first.publishAsync(`topic/${at}`, at === 50 ? large : 'x', { qos: 1 });
  while (heard.length < 100) await once(second, 'message');
  assert.deepEqual([heard[0], heard[50], heard[99]], [['topic/0', 1], ['topic/50', 1 << 20], ['topic/99', 1]]);
  await Promise.all([first.endAsync(), second.endAsync()]);
  await new Promise((resolve) => broker.close(resolve));
  server.close(() => console.log('done'));
}

main();
