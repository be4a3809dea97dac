// The guide: its index, and the programs of its first page and its last, run as they stand there.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

import { GUIDE, atAnyPort, dial, freePort, isRefused, page, program, rest, run, text, until } from './guide.mjs';
import { readAll, target, temporaryFolder } from './support.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOM = fileURLToPath(new URL('../../../examples/node/room.mjs', import.meta.url));

/** What the headings of a page are linked to by, as GitHub makes it. */
const anchorsOf = (name) => [...page(name).matchAll(/^#+ (.*)$/gm)]
  .map(([, heading]) => heading.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-'));

test('the guide has no page without a test, and tells of all; what it links to is there', () => {
  const pages = readdirSync(GUIDE).filter((name) => name !== 'README.md').sort();
  const linked = [...page('README.md').matchAll(/\]\((\w+\.md)\)/g)].map(([, name]) => name).sort();
  const tests = readdirSync(HERE).filter((name) => /^guide\..*test\.mjs$/.test(name)).map((name) => readFileSync(join(HERE, name), 'utf8'));
  const tested = new Set([...tests.join('').matchAll(/program\('(\w+\.md)'/g)].map(([, name]) => name));
  assert.deepEqual(linked, pages);
  assert.deepEqual([...tested].sort(), pages);
  for (const name of pages) {
    for (const [, link, anchor] of page(name).matchAll(/\]\(([^#)]*)(?:#([^)]+))?\)/g)) {
      assert.ok(existsSync(join(GUIDE, link)), `${name}: ${link}`);
      if (anchor) assert.ok(anchorsOf(link || name).includes(anchor), `${name}: ${link}#${anchor}`);
    }
  }
});

/** A message of the room server's. */
function message(words) {
  const bytes = Buffer.from(`..${words}`);
  bytes.writeUInt16BE(bytes.length - 2);
  return bytes;
}

/** The next message. */
async function heard(socket) {
  const length = Buffer.from(await text(socket, 2), 'latin1').readUInt16BE();
  return text(socket, length);
}

/** The next message that is no tick. */
async function said(socket) {
  for (let words; ; ) if (!/^\d in /.test((words = await heard(socket)))) return words;
}

async function member(t, url, name, room) {
  const socket = await dial(t, url);
  socket.write(message(`HELLO ${name}`));
  assert.equal(await said(socket), `WELCOME ${name} from 127.0.0.1:${socket.localPort}`);
  socket.write(message(`JOIN ${room}`));
  return socket;
}

test('the first program is the example room', { skip: !existsSync(ROOM) }, () => {
  const example = atAnyPort(readFileSync(ROOM, 'utf8'));
  assert.ok(example.endsWith(program('first.md', 'Your first protocol')), 'the page has another program');
});

test('the first program: rooms, their limit, ticks, strangers, and the drain', async (t) => {
  const server = run(t, program('first.md', 'Your first protocol'));
  const url = await server.told('listening on');
  const ada = await member(t, url, 'ada', 'lobby');
  assert.equal(await said(ada), '+ ada');
  const bob = await member(t, url, 'bob', 'lobby');
  assert.deepEqual([await said(ada), await said(bob)], ['+ bob', '+ bob']);
  ada.write(message('good morning'));
  assert.deepEqual([await said(ada), await said(bob)], ['ada: good morning', 'ada: good morning']);
  assert.equal(await heard(bob), '2 in lobby');
  // Six more, and one too many.
  for (let count = 3; count <= 8; count += 1) assert.equal(await said(await member(t, url, count, 'lobby')), `+ ${count}`);
  assert.equal(await said(await member(t, url, 'late', 'lobby')), 'FULL lobby');
  bob.write(message('JOIN garden'));
  for (const words of ['+ 3', '+ 4', '+ 5', '+ 6', '+ 7', '+ 8', '+ bob']) assert.equal(await said(bob), words);
  for (const words of ['+ 3', '+ 4', '+ 5', '+ 6', '+ 7', '+ 8', '- bob']) assert.equal(await said(ada), words);
  for (const words of ['good morning', `HELLO ${'x'.repeat(500)}`, 'x'.repeat(1023)]) {
    const stranger = await dial(t, url);
    stranger.write(message(words));
    assert.equal(await rest(stranger), '');
  }
  server.child.kill('SIGTERM');
  assert.deepEqual([await said(ada), await said(bob)], ['CLOSING', 'CLOSING']);
  ada.write(message('bye'));
  while ((await said(ada)) !== 'ada: bye');
  assert.deepEqual(await server.stop(), []);
});

test('the client of the first page talks to it', async (t) => {
  const server = run(t, program('first.md', 'Your first protocol'));
  const { port } = target(await server.told('listening on'));
  const client = run(t, program('first.md', 'Your first protocol', 1).replace('5000', port));
  let output = '';
  client.child.stdout.on('data', (data) => (output += data));
  await until(() => output.includes('ada: good morning'));
  assert.match(output, /WELCOME ada from 127\.0\.0\.1[^]*\+ ada[^]*ada: good morning/);
  client.child.kill();
  await server.stop();
});

test('the program for those who come from elsewhere', async (t) => {
  const server = run(t, program('coming.md', 'Coming from elsewhere'));
  const url = await server.told('listening on');
  const [ann, bob, nobody] = [await dial(t, url), await dial(t, url), await dial(t, url)];
  ann.write('Ann\nhello\n');
  assert.equal(await text(ann, 28), 'who are you?\nAnn says hello\n');
  ann.end();
  assert.equal(await rest(ann), '');
  bob.write('Bob\nquit\nmore\n');
  assert.equal(await rest(bob), 'who are you?\nbye, Bob\n');
  nobody.end();
  assert.equal(await rest(nobody), 'who are you?\n');
  const left = ['Ann from 127.0.0.1 left: eof', 'Bob from 127.0.0.1 left: local close', 'undefined from 127.0.0.1 left: eof'];
  assert.deepEqual((await server.stop()).sort(), left);
});

test('the program in which a connection becomes a stream', async (t) => {
  const server = run(t, program('coming.md', 'Changing sides'));
  const url = await server.told('listening on');
  const client = await dial(t, url);
  // What comes behind the line is the stream's.
  const words = 'more and more, '.repeat(50_000);
  client.end(`hello\ncompress\n${words}`);
  assert.equal(await text(client, 11), '?\ngo ahead\n');
  assert.equal(gunzipSync(await readAll(client)).toString(), words);
  const broken = await dial(t, url);
  broken.write('compress\n');
  assert.equal(await text(broken, 9), 'go ahead\n');
  broken.resetAndDestroy();
  assert.equal(await server.line(), 'failed: read ECONNRESET');
  assert.deepEqual(await server.stop(), []);
});

test('the programs of the README', async (t) => {
  const path = join(temporaryFolder(t), 'upper.sock');
  const echo = run(t, program('../README.md', 'reactor-engine'));
  const upper = run(t, program('../README.md', 'reactor-engine', 1).replace('/run/upper.sock', path));
  const client = await dial(t, await echo.told('listening on'));
  client.end('hello');
  assert.equal(await rest(client), 'hello');
  await until(() => existsSync(path));
  const other = await dial(t, `unix://${path}`);
  other.end('hello\nyou\n');
  assert.equal(await rest(other), 'HELLO\nYOU\n');
  const port = await freePort();
  const workers = run(t, program('../README.md', 'On threads, or inline').replace(':5000', `127.0.0.1:${port}`));
  await until(async () => !(await isRefused({ host: '127.0.0.1', port })));
  const third = await dial(t, `tcp://127.0.0.1:${port}`);
  third.end('hello');
  assert.equal(await rest(third), 'hello');
  workers.child.kill();
  const plain = await freePort();
  const front = run(t, program('../README.md', 'node:net upon the engine').replace('8080', `${plain}, '127.0.0.1'`));
  await until(async () => !(await isRefused({ host: '127.0.0.1', port: plain })));
  assert.equal(await (await fetch(`http://127.0.0.1:${plain}`)).text(), 'hello');
  front.child.kill();
  assert.deepEqual([await echo.stop('SIGINT'), await upper.stop()], [[], []]);
});
