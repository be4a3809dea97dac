// The programs of the guide's pages about messages: their framing, and callbacks that take time. Run as they stand there.
import assert from 'node:assert/strict';
import { pbkdf2Sync } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import test from 'node:test';

import { dial, program, rest, run, text } from './guide.mjs';
import { target } from './support.mjs';

const { Redis } = createRequire(new URL('libraries/', import.meta.url))('ioredis');

test('the program with lines of JSON', async (t) => {
  const server = run(t, program('framing.md', 'Framing'));
  const url = await server.told('listening on');
  const client = await dial(t, url);
  for (const piece of ['{"id":1,"add":[1,2,3]}\r\n{"id":1', ',"add":[6]}\n{"id":']) {
    client.write(piece);
    assert.equal(await text(client, 17), '{"id":1,"sum":6}\n');
  }
  const bad = await dial(t, url);
  bad.write('{"id":1,"add":[5]}\nhello\n{"id":2,"add":[5]}\n');
  assert.equal(await rest(bad), '{"id":1,"sum":5}\n');
  assert.equal(await server.line(), 'a bad question from 127.0.0.1 SyntaxError');
  const long = await dial(t, url);
  long.write('x'.repeat(65_537));
  assert.equal(await rest(long), '');
  client.end('3,"add":[4]}\n');
  assert.equal(await rest(client), '{"id":3,"sum":4}\n');
  assert.deepEqual(await server.stop(), []);
});

/** A client of netstrings; `told` is what a malformed one has it say. */
async function netstrings(t, server, told) {
  const url = await server.told('listening on');
  const client = await dial(t, url);
  // What is answered of a piece tells that all of it has come.
  for (const [piece, answer] of [['0:,5:hel', '0:,'], ['lo,1', '5:HELLO,'], [':x,3:a,b', '1:X,'], [',', '3:A,B,']]) {
    client.write(piece);
    assert.equal(await text(client, answer.length), answer);
  }
  const long = 'x'.repeat(99_999);
  client.write(`99999:${long},4:quit,5:never,`);
  assert.equal(await rest(client), `99999:${long.toUpperCase()},4:QUIT,`);
  for (const [bad, words] of Object.entries(told)) {
    const stranger = await dial(t, url);
    stranger.write(`1:x,${bad}`);
    assert.equal(await rest(stranger), '1:X,');
    if (words) assert.equal(await server.line(), words);
  }
  assert.deepEqual(await server.stop(), []);
}

test('the program with netstrings by a function', async (t) => {
  const server = run(t, program('framing.md', 'A framing of your own'));
  await netstrings(t, server, { '5:hello;': 'a netstring does not end with a comma', '12345678:': null, 'GET / HTTP/1.1\r\n': null });
});

test('the program with netstrings by keep', async (t) => {
  const server = run(t, program('framing.md', 'On threads: keep'));
  await netstrings(t, server, { '5:hello;': 'a netstring does not end with a comma', '12345678:': 'no length of a netstring: 12345678',
    'GET / HTTP/1.1\r\n': 'no length of a netstring: GET / HTTP' });
});

test('the program with commands', async (t) => {
  const server = run(t, program('framing.md', 'Commands'));
  const url = await server.told('listening on');
  const client = await dial(t, url);
  const ask = async (words, answer) => {
    client.write(words);
    assert.equal(await text(client, answer.length), answer);
  };
  await ask('PING\r\n*3\r\n$3\r\nset\r\n$1\r\nk\r\n$5\r\nhe\r\nl', '+PONG\r\n');
  await ask('\r\nGET k\r\nGET none\r\n', '+OK\r\n$5\r\nhe\r\nl\r\n$-1\r\n');
  await ask('SET k\r\nCONFIG GET *\r\n', "-ERR SET takes a key and a value\r\n-ERR unknown command 'CONFIG'\r\n");
  await ask('*1\r\n$3\r\na\r\n\r\n', "-ERR unknown command 'A  '\r\n");
  client.write('*5000\r\n');
  assert.match(await rest(client), /^-ERR Protocol error: invalid multibulk length\r\n$/);
  const { host, port } = target(url);
  const redis = new Redis(port, host);
  const large = 'x'.repeat(200_000);
  assert.deepEqual(await Promise.all([redis.set('large', large), redis.get('large'), redis.get('none')]), ['OK', large, null]);
  const gone = once(redis, 'end');
  redis.disconnect();
  await gone;
  assert.deepEqual(await server.stop(), []);
});

test('the program with async callbacks', async (t) => {
  const server = run(t, program('async.md', 'Async handlers, and hold'));
  const url = await server.told('listening on');
  const [first, second] = [await dial(t, url), await dial(t, url)];
  // Their numbers are in the order of their onOpen.
  first.write('tea\n');
  const number = Number(/^client (\d) asked for tea\n$/.exec(await text(first, 23))[1]);
  const other = 3 - number;
  second.end('milk\nmilk\nquit\nmilk\n');
  assert.equal(await rest(second), `client ${other} asked for milk\n`.repeat(2));
  const bad = await dial(t, url);
  bad.write('nothing\nmilk\n');
  assert.equal(await rest(bad), '');
  assert.equal(await server.line(), 'failed: there is no such thing');
  // Whoever is served may finish.
  first.write('more ');
  server.child.kill('SIGTERM');
  first.end('tea\n');
  assert.equal(await rest(first), `client ${number} asked for more tea\n`);
  assert.deepEqual(await server.rest(), []);
});

const derived = (of) => `${pbkdf2Sync(of, 'salt', 20_000, 32, 'sha256').toString('hex')}\n`;

test('the program that holds', async (t) => {
  const server = run(t, program('async.md', 'Hold'));
  const url = await server.told('listening on');
  const gone = await dial(t, url);
  gone.write('tea\n');
  gone.resetAndDestroy();
  // In order, and all before the end of file counts.
  const lines = Array.from({ length: 5 }, (_, number) => `line ${number}`);
  const client = await dial(t, url);
  client.end(`${lines.join('\n')}\n`);
  assert.equal(await rest(client), lines.map(derived).join(''));
  const last = await dial(t, url);
  last.write('first\n');
  assert.equal(await text(last, 65), derived('first'));
  server.child.kill('SIGTERM');
  last.end('last\n');
  assert.equal(await rest(last), derived('last'));
  assert.deepEqual(await server.rest(), []);
});
