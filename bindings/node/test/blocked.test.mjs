// D5, D1: the JavaScript thread is blocked, for as long as it takes; meanwhile the engine's threads accept, and read up to the limits.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { connect, isInline, target, temporaryFolder } from './support.mjs';

const PROGRAM = fileURLToPath(new URL('programs/blocked.mjs', import.meta.url));
const MIB = 1 << 20;
const QUIET = 50;
const LOUD = 16;
/** What each of the loud sends: together far more than the engine may hold for a thread that does not come. */
const MUCH = 4 * MIB;
/** The engine's own, by what it says: 1 MiB and one read beyond for each of two loops, each twice, and what goes with it. */
const HELD = 16 * MIB;

/** The program, and the next line of what it says. */
async function launch(t) {
  const child = spawn(process.execPath, [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' } });
  t.after(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value;
  return { child, line, server: { addresses: [await line()] } };
}

/** Waits for what comes by itself. */
async function eventually(condition) {
  while (!condition()) await sleep(10);
}

const memory = (pid) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/^RssAnon:\s+(\d+) kB$/m)[1]) * 1024;

/** Sockets that a process has. */
const sockets = (pid) => readdirSync(`/proc/${pid}/fd`).filter((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:')).length;

/** Bytes that the kernel has for the connections of a server, which has not read them. */
function unread({ addresses: [url] }) {
  const port = target(url).port.toString(16).toUpperCase().padStart(4, '0');
  const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n').map((row) => row.trim().split(/\s+/));
  const ours = rows.filter(([, local, , state]) => local?.endsWith(`:${port}`) && state === '01');
  return ours.reduce((sum, row) => sum + parseInt(row[4].split(':')[1], 16), 0);
}

/** Waits until nothing moves any more. */
async function settled(look) {
  for (let [same, before] = [0, look()]; same < 20; ) {
    await sleep(25);
    const now = look();
    same = now === before ? same + 1 : 0;
    before = now;
  }
}

const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Sends bytes, and gives the hash of what comes back for them. */
function ask(socket, bytes) {
  const [answer, back] = [createHash('sha256'), { length: 0 }];
  const whole = new Promise((resolve, reject) => {
    socket.on('data', function take(chunk) {
      answer.update(chunk);
      back.length += chunk.length;
      if (back.length < bytes.length) return;
      socket.off('data', take);
      resolve(answer.digest('hex'));
    }).on('close', () => reject(new Error(`it was closed after ${back.length} bytes`)));
  });
  socket.write(bytes);
  return whole;
}

test('while JavaScript is blocked, connections are accepted and read up to the limits, and nothing is lost', { skip: isInline && 'nobody else accepts' }, async (t) => {
  const { child, line, server } = await launch(t);
  const texts = Array.from({ length: QUIET }, (_, number) => Buffer.from(`text ${number}`.repeat(100)));
  const floods = Array.from({ length: LOUD }, (_, number) => Buffer.alloc(MUCH, `flood ${number} `));
  const early = await Promise.all(texts.map(() => connect(t, server)));
  const flooding = await Promise.all(floods.map(() => connect(t, server)));
  const [blocker, gate] = [await connect(t, server), join(temporaryFolder(t), 'gate')];
  execFileSync('mkfifo', [gate]);
  blocker.write(`block ${gate}\n`);
  assert.equal(await line(), 'blocked');
  const [before, had] = [memory(child.pid), sockets(child.pid)];

  // Who was there is read; who comes is accepted, and read when its onOpen is over.
  const quiet = texts.map((text, at) => ask(early[at], text));
  await eventually(() => unread(server) === 0);
  const late = await Promise.all(texts.map(() => connect(t, server)));
  quiet.push(...texts.map((text, at) => ask(late[at], text)));
  const gone = await connect(t, server);
  gone.write('x');
  await eventually(() => sockets(child.pid) === had + QUIET + 1);
  gone.resetAndDestroy();
  await once(gone, 'close');

  const loud = floods.map((flood, at) => ask(flooding[at], flood));
  await settled(() => unread(server));
  assert.ok(memory(child.pid) - before < HELD, `it holds ${memory(child.pid) - before} bytes`);

  closeSync(openSync(gate, 'w'));
  assert.equal(await line(), 'goes on');
  assert.deepEqual(await Promise.all(quiet), [...texts, ...texts].map(hash));
  assert.deepEqual(await Promise.all(loud), floods.map(hash));
  child.stdin.write('?');
  const { opened, closed, read } = JSON.parse(await line());
  assert.deepEqual({ opened, closed }, { opened: 1 + 2 * QUIET + LOUD + 1, closed: 1 });
  const sent = [...texts, ...texts, ...floods].reduce((sum, { length }) => sum + length, 0);
  assert.ok(read >= sent && read <= sent + 1, `${read} bytes of ${sent}`);
  child.stdin.end();
  assert.deepEqual(await once(child, 'close'), [0, null]);
});
