// The programs of the guide's pages about operating a server, run as they stand there.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'node:test';

import { Running, dial, freePort, installed, isRefused, lineOf, ofBoth, program, rest, run, text, until } from './guide.mjs';
import { target, temporaryFolder } from './support.mjs';

/** What Prometheus would be given, by name. */
async function scrape(url) {
  const { host, port } = target(url);
  const answer = await fetch(`http://${host}:${port}/metrics`);
  assert.equal(answer.headers.get('Content-Type'), 'text/plain; version=0.0.4');
  const lines = (await answer.text()).trimEnd().split('\n');
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]));
}

test('the program with metrics', async (t) => {
  const server = run(t, program('metrics.md', 'Metrics and logs'));
  const url = await server.told('listening on');
  const where = await server.told('metrics at');
  const gone = await dial(t, url);
  gone.end('hello');
  assert.equal(await rest(gone), 'hello');
  const client = await dial(t, url);
  client.write('x');
  assert.equal(await text(client, 1), 'x');
  // The other one may be closing yet.
  let metrics;
  await until(async () => (metrics = await scrape(where))['reactor_closed{reason="eof"}'] === 1);
  const { reactor_accepted: accepted, reactor_connections: connections, reactor_bytes_read: bytes } = metrics;
  assert.deepEqual({ accepted, connections, bytes }, { accepted: 2, connections: 1, bytes: 6 });
  for (const q of [0.5, 0.99]) assert.ok(metrics[`reactor_delay_seconds{quantile="${q}"}`] >= 0);
  for (const [name, value] of Object.entries(metrics)) assert.ok(Number.isFinite(value), `${name} ${value}`);
  assert.ok(metrics.nodejs_heap_used_bytes > 1e6);
  for (const line of await server.stop('SIGINT')) assert.equal(JSON.parse(line).level, 'info');
});

test('the program with limits', async (t) => {
  const server = run(t, program('memory.md', 'Memory and limits'));
  const url = await server.told('listening on');
  const [one, two] = [await dial(t, url), await dial(t, url)];
  one.write('hello\n');
  assert.equal(await text(one, 7), '1 kept\n');
  two.write('hello\n');
  assert.equal(await text(two, 7), '2 kept\n');
  two.write('send 500\n');
  assert.equal(await text(two, 512_000), 'x'.repeat(512_000));
  // Far more than the kernel takes, at once.
  two.write('send 100000\n');
  assert.equal(await server.line(), 'a client does not read');
  assert.equal(await server.line(), 'closed: overflow');
  one.write('again\n');
  assert.equal(await text(one, 7), '1 kept\n');
  const long = await dial(t, url);
  long.write('x'.repeat(9000));
  assert.equal(await server.line(), 'closed: protocol error');
  one.end();
  assert.equal(await rest(one), '');
  assert.deepEqual(await server.stop(), []);
});

test('the program to deploy stops when its clients have finished', async (t) => {
  const server = run(t, program('deployment.md', 'Deployment'), 'tcp://127.0.0.1:0');
  const url = await server.told('listening on');
  const client = await dial(t, url);
  client.write('tea\nhello');
  assert.equal(await text(client, 4), 'tea\n');
  server.child.kill('SIGTERM');
  assert.equal(await server.line(), 'stopping, 1 connected');
  await until(() => isRefused(target(url)));
  client.end(' again\n');
  assert.equal(await rest(client), 'hello again\n');
  assert.deepEqual(await server.rest(), []);
});

test('the program that says good-bye', async (t) => {
  const server = run(t, program('deployment.md', 'Stopping').replace('20_000', '3_600_000'));
  const url = await server.told('listening on');
  const clients = [await dial(t, url), await dial(t, url)];
  for (const client of clients) {
    client.write('hello\n');
    assert.equal(await text(client, 6), 'hello\n');
  }
  server.child.kill('SIGTERM');
  assert.deepEqual(await Promise.all(clients.map(rest)), ['good-bye\n', 'good-bye\n']);
  for (const client of clients) client.end();
  assert.deepEqual(await server.rest(), []);
});

const ACTIVATE = 'systemd-socket-activate';
const skip = spawnSync(ACTIVATE, ['--version']).error ? 'systemd is not installed' : false;

test('the program to deploy serves systemd\'s sockets', { skip }, async (t) => {
  const path = join(temporaryFolder(t), 'socket');
  const app = installed(t, program('deployment.md', 'Deployment'));
  const environment = ['NODE_OPTIONS', 'REACTOR_TEST_MODE'].flatMap((name) => ['-E', `${name}=${process.env[name] ?? ''}`]);
  const server = new Running(t, ACTIVATE, [...environment, '-l', path, process.execPath, app]);
  await new Promise((resolve) => server.child.stderr.once('data', resolve));
  // It is the first client that has the program started.
  const client = await dial(t, `unix://${path}`);
  assert.equal(await server.told('listening on'), `unix://${path}`);
  client.write('hello\n');
  assert.equal(await text(client, 6), 'hello\n');
  server.child.kill('SIGTERM');
  assert.equal(await server.line(), 'stopping, 1 connected');
  client.end();
  const { code, errors } = await server.ended;
  assert.equal(code, 0);
  // What systemd says of its own.
  const own = /^(Listening on |Communication attempt on fd 3|Execing )/;
  assert.deepEqual(errors.trimEnd().split('\n').filter((line) => !own.test(line)), []);
});

test('the program under cluster: processes share the port, and one that crashes comes again', async (t) => {
  const url = `tcp://127.0.0.1:${await freePort()}`;
  const server = run(t, program('deployment.md', 'Several processes: cluster'), url, '2');
  const listening = async () => /^(\d+) listening on (.*)$/.exec(await server.line());
  const [one, two] = [await listening(), await listening()];
  assert.deepEqual([one[2], two[2]], [url, url]);
  const pid = async (client) => /^(\d+): hello\n$/.exec(await lineOf(client))[1];
  const clients = await ofBoth(t, url, pid);
  assert.deepEqual([...clients.keys()].sort(), [one[1], two[1]].sort());
  process.kill(Number(one[1]), 'SIGKILL');
  assert.equal(await rest(clients.get(one[1])), '');
  assert.equal(await server.line(), 'a worker has ended with SIGKILL');
  const [, third] = await listening();
  // Whoever is connected may finish.
  server.child.kill('SIGTERM');
  const client = clients.get(two[1]);
  client.end('hello\n');
  assert.equal(await rest(client), `${two[1]}: hello\n`);
  assert.deepEqual(await server.rest(), []);
  assert.notEqual(third, one[1]);
});
