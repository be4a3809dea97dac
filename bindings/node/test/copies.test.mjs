// Copies of the package: two in one process, one that a bundler has made, one that cannot be loaded.
import assert from 'node:assert/strict';
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { Action, ConnId, Server } from 'reactor-engine';

import { LOOPBACK, connect, deferred, readAll, serve, temporaryFolder } from './support.mjs';

const require = createRequire(import.meta.url);
const LIB = fileURLToPath(new URL('../lib', import.meta.url));

/** Another copy of the package's files, with its addon. */
function copy(t) {
  const folder = temporaryFolder(t);
  cpSync(LIB, folder, { recursive: true });
  return folder;
}

test('L3: two copies in one process never give out the same id, and neither takes the other\'s', async (t) => {
  const Other = require(`${copy(t)}/index.js`);
  assert.notEqual(Other.Server, Server);
  const ids = new Set();
  for (let round = 0; round < 5; round += 1) {
    const opened = [deferred(), deferred()];
    const servers = [new Server({ onOpen: opened[0].resolve }, { loops: 2 }), new Other.Server({ onOpen: opened[1].resolve }, { loops: 2 })];
    for (const server of servers) {
      server.listen(LOOPBACK);
      await server.start();
      await connect(t, server);
    }
    const [ours, theirs] = await Promise.all(opened.map(({ promise }) => promise));
    assert.throws(() => servers[1].write(Other.ConnId.parse(String(ours.id)), 'x'), { code: 'CLOSED' });
    assert.throws(() => servers[0].write(ConnId.parse(String(theirs.id)), 'x'), { code: 'CLOSED' });
    ids.add(String(ours.id)).add(String(theirs.id));
    for (const server of servers) await server.stop();
  }
  assert.equal(ids.size, 10);
});

test('L4: an action of another copy is one', async (t) => {
  const Other = require(`${copy(t)}/index.js`);
  assert.notEqual(Other.Action.Close, Action.Close);
  const server = await serve(t, { onOpen: () => Other.Action.Close });
  assert.equal((await readAll(await connect(t, server))).length, 0);
});

test('an addon that is missing, or does not fit, is an error with its cause', (t) => {
  const missing = copy(t);
  rmSync(`${missing}/reactor.node`);
  assert.throws(() => require(`${missing}/index.js`), (error) => {
    assert.match(error.message, /^reactor-engine: the addon is missing; .*build it with `npm rebuild reactor-engine` .*: Cannot find module '.*'$/);
    return error.cause.code === 'MODULE_NOT_FOUND';
  });
  const broken = copy(t);
  writeFileSync(`${broken}/reactor.node`, 'no library at all');
  assert.throws(() => require(`${broken}/index.js`), (error) => {
    assert.match(error.message, /^reactor-engine: the addon cannot be loaded on linux .* with Node v\d+.*: .*reactor\.node: /s);
    return error.message.endsWith(`: ${error.cause.message}`);
  });
});
