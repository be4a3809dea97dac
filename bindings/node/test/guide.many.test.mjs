// The programs of the guide's pages about several Workers, many clients and other peers. Run as they stand there.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import test from 'node:test';

import { Server, line } from 'reactor-engine';

import { dial, freePort, lineOf, ofBoth, program, rest, run, text, until } from './guide.mjs';
import { LOOPBACK } from './support.mjs';

test('the program with Workers', async (t) => {
  const url = `tcp://127.0.0.1:${await freePort()}`;
  const server = run(t, program('workers.md', 'Workers'), url, '2');
  const lines = [await server.line(), await server.line()].sort();
  assert.deepEqual(lines, [0, 1].map((index) => `worker ${index} listening on ${url}`));
  const answer = /^worker (\d) has heard (.*)\n$/;
  const find = async (client) => {
    for (let found; ; ) if ((found = answer.exec(await lineOf(client)))) return Number(found[1]);
  };
  const clients = await ofBoth(t, url, find);
  const [zero, one] = [clients.get(0), clients.get(1)];
  zero.write('good morning\n');
  // To those of the other Worker.
  while ((await lineOf(one)) !== 'worker 0 says good morning\n');
  server.child.kill('SIGTERM');
  zero.write('bye\n');
  while ((await lineOf(one)) !== 'worker 0 says bye\n');
  for (const client of clients.values()) client.end();
  assert.deepEqual(await server.rest(), []);
});

test('the program with Workers that answer', async (t) => {
  const server = run(t, program('workers.md', 'Calls from other Workers'));
  const url = await server.told('listening on');
  const gone = await dial(t, url);
  gone.write('27\n');
  gone.resetAndDestroy();
  const [one, two] = [await dial(t, url), await dial(t, url)];
  // In order, whichever Worker answers, and all before the end of file counts.
  one.end('20\n27\n-1\n10\nten\n1\n');
  assert.equal(await rest(one), '6765\n196418\na number up to 40, please\n55\na number up to 40, please\n1\n');
  two.write('12\n');
  assert.equal(await text(two, 4), '144\n');
  server.child.kill('SIGTERM');
  two.end('11\n');
  assert.equal(await rest(two), '89\n');
  assert.deepEqual(await server.rest(), []);
});

const LINES = 600;

/** Reads until all lines are accounted for: the numbers of those that came, and how many it is told to have missed. */
async function follow(socket) {
  const numbers = [];
  let [missed, data] = [0, ''];
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    data += chunk;
    for (let end; (end = data.indexOf('\n')) >= 0; data = data.slice(end + 1)) {
      const words = data.slice(0, end);
      const [, count] = /^you missed (\d+) lines$/.exec(words) ?? [];
      if (count) missed += Number(count);
      else {
        assert.equal(words.slice(words.indexOf(' ') + 1), 'x'.repeat(32_768));
        numbers.push(parseInt(words, 10));
      }
    }
    if (numbers.length + missed === LINES) return { numbers, missed };
  }
  throw new Error(`the end, after ${numbers.length} and ${missed}`);
}

const ascending = (numbers) => [...numbers].sort((one, other) => one - other);

test('the program that broadcasts', async (t) => {
  const server = run(t, program('broadcasting.md', 'Broadcasting, and slow readers'));
  const url = await server.told('listening on');
  const [speaker, slow, quick] = [await dial(t, url), await dial(t, url), await dial(t, url)];
  for (const client of [speaker, slow, quick]) assert.match(await text(client, 7), /^\d here\n$/);
  for (let number = 0; number < LINES; number += 1) speaker.write(`${number} ${'x'.repeat(32_768)}\n`);
  const { numbers, missed } = await follow(quick);
  assert.deepEqual(ascending(numbers), numbers);
  assert.equal(numbers.length + missed, LINES);
  // Far more than the kernel and the marks hold.
  const late = await follow(slow);
  assert.deepEqual(ascending(late.numbers), late.numbers);
  assert.ok(late.missed > 0);
  assert.equal(late.numbers[0], 0);
  slow.write('hello\n');
  assert.deepEqual([await text(speaker, 6), await text(quick, 6)], ['hello\n', 'hello\n']);
  assert.deepEqual(await server.stop(), []);
});

test('the program of datagrams', async (t) => {
  const server = run(t, program('datagrams.md', 'Datagrams'));
  const [, host, port] = /^udp:\/\/(.*):(\d+)$/.exec(await server.told('listening on'));
  const clients = [];
  const next = async (client) => {
    while (client.heard.length === 0) await once(client.socket, 'message');
    return client.heard.shift();
  };
  const send = (client, words) => client.socket.send(words);
  for (let number = 1; number <= 3; number += 1) {
    const client = { socket: dgram.createSocket('udp4'), heard: [] };
    clients.push(client);
    t.after(() => client.socket.close());
    client.socket.on('message', (data) => client.heard.push(data.toString()));
    client.socket.connect(Number(port), host);
    await once(client.socket, 'connect');
    send(client, 'join');
    assert.equal(await next(client), `${number} here`);
  }
  const [one, two, three] = clients;
  for (const words of ['x'.repeat(3000), '', 'hello']) send(one, words); // The first is longer than the program takes.
  for (const client of [two, three]) assert.deepEqual([await next(client), await next(client)], ['', 'hello']);
  for (const words of ['leave', 'nobody hears this', 'join']) send(three, words);
  assert.equal(await next(three), '3 here');
  send(two, 'bye');
  assert.deepEqual([await next(one), await next(three)], ['bye', 'bye']);
  assert.deepEqual(await server.stop(), []);
});

/** Answers lines in capitals; other lines than "lost" it forgets. */
async function backend(t, url) {
  const server = new Server({
    onData(conn, data) {
      if (data.toString() !== 'lost') conn.writeFrame(data.toString().toUpperCase());
    },
  }, { loops: 1 });
  t.after(() => server.stop());
  server.listen(url, { framing: line() });
  await server.start();
  return server;
}

test('the program with a backend', async (t) => {
  const first = await backend(t, LOOPBACK);
  const [at] = first.addresses;
  const server = run(t, program('outgoing.md', 'Outgoing connections'), at);
  const url = await server.told('listening on');
  await until(() => first.connections === 1);
  const [one, two] = [await dial(t, url), await dial(t, url)];
  one.write('tea\nmore tea\n');
  two.write('milk\n');
  assert.deepEqual([await text(one, 13), await text(two, 5)], ['TEA\nMORE TEA\n', 'MILK\n']);
  two.write('lost\n');
  await until(() => first.metrics().messagesRead === 4);
  await first.stop();
  assert.equal(await text(two, 11), 'no backend\n');
  one.write('tea\n');
  assert.equal(await text(one, 11), 'no backend\n');
  const second = await backend(t, at);
  await until(() => second.connections === 1);
  one.end('tea\n');
  assert.equal(await rest(one), 'TEA\n');
  two.end();
  await rest(two);
  // It waits for the backend, too.
  server.child.kill('SIGTERM');
  await second.stop();
  const lost = (await server.rest()).filter((words) => words !== 'backend lost: connect failed');
  assert.deepEqual(lost, ['backend lost: eof', 'backend lost: eof']);
});
