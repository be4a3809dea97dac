// D4: calls by id from other threads, L3: on whatever is gone, and ids and handles that go to Workers.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setImmediate as immediate } from 'node:timers/promises';
import test from 'node:test';

import { ConnId, ReactorError, Server, ServerHandle } from 'reactor-engine';

import { LOOPBACK, connect, deferred, isInline, read, readAll, serve, worker } from './support.mjs';

const refused = (code, message = /./) => (error) => error instanceof ReactorError && error.code === code && message.test(error.message);

/** Makes answers for connections that are held. */
const ANSWERS = `
  const handle = reactor.ServerHandle.from(workerData.handle);
  parentPort.on('message', ({ id, text }) => {
    handle.write(id, 'answer ');
    handle.writev(id, ['to ', Buffer.from(text)]);
    handle.release(id);
  });
`;

test('L8: a Worker answers and releases what is held, and a client that has half-closed gets all of it', async (t) => {
  const errors = [];
  let answers;
  const server = await serve(t, {
    onData(conn, data) {
      conn.hold();
      answers.postMessage({ id: conn.id, text: String(data) });
    },
    onError: (error) => void errors.push(error),
  }, { loops: 2 }, `${LOOPBACK}?framing=line`);
  answers = worker(t, ANSWERS, { handle: server.handle });
  const ask = async (number) => {
    const client = await connect(t, server);
    client.end(`${number}\n${number}!\n`);
    assert.equal((await readAll(client)).toString(), `answer to ${number}answer to ${number}!`);
  };
  for (let round = 0; round < 5; round += 1) await Promise.all(Array.from({ length: 20 }, (_, number) => ask(number)));
  assert.deepEqual(errors, []);
});

/** Makes calls that it is told, and says how each ended. */
const CALLS = `
  const handle = reactor.ServerHandle.from(workerData.handle);
  parentPort.on('message', ([name, ...args]) => {
    try {
      const result = handle[name](...args);
      parentPort.postMessage(name === 'connectionIds' ? result.map(String) : result);
    } catch (error) {
      parentPort.postMessage([error.name, error.code, error.message]);
    }
  });
`;

async function caller(t, server) {
  const made = worker(t, CALLS, { handle: server.handle });
  return async (...call) => {
    made.postMessage(call);
    return (await once(made, 'message'))[0];
  };
}

test('D4: every call is made from another thread, in order', async (t) => {
  const events = [];
  const server = await serve(t, {
    onData: (conn, data) => void events.push(String(data)),
    onWake: (conn) => void conn.write('woken'),
    onDetach: (conn, detached) => void detached.toSocket().end('detached'),
    onClose: (conn, reason) => void events.push(reason),
  });
  const call = await caller(t, server);
  const sockets = await Promise.all(Array.from({ length: 4 }, () => connect(t, server)));
  while (server.connections < 4) await immediate();
  const byPort = new Map(server.connectionIds().map((id) => [server.conn(id).remotePort, id]));
  const [first, second, third, fourth] = sockets.map((socket) => byPort.get(socket.localPort));
  assert.deepEqual(await call('connectionIds'), server.connectionIds().map(String));
  assert.equal(await call('isOpen', first), true);

  assert.equal(await call('write', first, 'one'), true);
  assert.equal(await call('writev', first, [' two', new Uint8Array([33])]), true);
  assert.deepEqual((await call('writeFrame', first, 'x')).slice(0, 2), ['ReactorError', 'INVALID_ARGUMENT']);
  assert.equal((await read(sockets[0], 8)).toString(), 'one two!');
  await call('wake', first);
  assert.equal((await read(sockets[0], 5)).toString(), 'woken');

  await call('pause', first);
  sockets[0].write('later');
  await call('hold', first);
  await call('resume', first);
  for (let turn = 0; turn < 20; turn += 1) await immediate();
  assert.deepEqual(events, []);
  await call('release', first);
  while (events.length === 0) await immediate();
  assert.deepEqual(events, ['later']);
  assert.match((await call('release', first))[2], /is not held/);

  // A hold of this thread's, and of the other.
  await call('hold', first);
  await immediate();
  server.hold(first);
  server.release(first);
  sockets[0].write('again');
  await call('isOpen', first);
  while (server.conn(first).info().bytesReceived < 5) await immediate();
  server.release(first);
  while (events.length === 1) await immediate();
  assert.deepEqual(events, ['later', 'again']);

  await call('detach', second);
  assert.equal((await readAll(sockets[1])).toString(), 'detached');
  await call('end', third);
  assert.equal((await readAll(sockets[2])).length, 0);
  await call('close', fourth);
  await call('abort', first);
  await Promise.all([readAll(sockets[3]), readAll(sockets[0])]);
  for (const name of ['write', 'end', 'close', 'pause', 'resume', 'hold', 'release', 'wake', 'detach', 'abort']) {
    assert.deepEqual((await call(name, second, 'x')).slice(0, 2), ['ReactorError', 'CLOSED'], name);
  }
  assert.equal(await call('isOpen', second), false);
});

test('L3: a server that is gone is told from others by its handle', async (t) => {
  const server = await serve(t, {});
  const { handle } = server;
  assert.equal(server.handle, handle);
  await connect(t, server);
  while (server.connections === 0) await immediate();
  const [id] = server.connectionIds();
  const call = await caller(t, server);
  assert.deepEqual([handle.isThere, handle.isOpen(id)], [true, true]);
  await call('stop');
  await server.wait();
  assert.deepEqual([handle.isThere, handle.isOpen(id)], [false, false]);
  assert.throws(() => handle.write(id, 'x'), refused('CLOSED', /^connection \d+ is closed: its server is gone$/));
  assert.throws(() => handle.release(id), refused('CLOSED', /its server is gone/));
  assert.throws(() => handle.stop(), refused('STOPPED', /the server is gone/));
  assert.throws(() => handle.stopGracefully(5), refused('STOPPED'));
  assert.throws(() => handle.connectionIds(), refused('STOPPED'));
  assert.throws(() => ServerHandle.from(structuredClone(handle)), refused('STOPPED'));
  assert.deepEqual((await call('wake', id)).slice(1), ['CLOSED', `connection ${id} is closed: its server is gone`]);
  const never = new Server({});
  await never.stop();
  assert.throws(() => never.handle, refused('STOPPED', /stop was called before/));
});

test('R5: what is no handle is refused', () => {
  for (const wrong of ['', '1', `${process.pid}`, `${process.pid}:x`, `${process.pid + 1}:1`, {}, null, 5, undefined]) {
    assert.throws(() => ServerHandle.from(wrong), refused('INVALID_ARGUMENT', /is no handle/));
  }
  assert.throws(() => ServerHandle.from(`${process.pid}:999999`), refused('STOPPED'));
});

test('L3: what is cloned of an id is taken by every call', async (t) => {
  const server = await serve(t, { onOpen: (conn) => void conn.write('!') });
  const client = await connect(t, server);
  await read(client, 1);
  const [id] = server.connectionIds();
  const cloned = structuredClone(id);
  assert.ok(!(cloned instanceof ConnId));
  assert.equal(server.conn(cloned), server.conn(id));
  server.write(cloned, 'by a clone');
  server.handle.write(cloned, ', twice');
  assert.equal((await read(client, 17)).toString(), 'by a clone, twice');
  const wrong = [{}, { high: 1 }, { high: 1, low: -1 }, { high: 1.5, low: 1 }, { high: '1', low: 1 }, { high: 2 ** 32, low: 1 }, 5, 'x', null];
  for (const value of wrong) assert.throws(() => server.write(value, 'x'), { name: 'TypeError', message: /^id must be a ConnId/ });
});

/** Writes without end, until nobody takes it. */
const WRITES = `
  const handle = reactor.ServerHandle.from(workerData.handle);
  parentPort.once('message', (id) => {
    parentPort.postMessage('begins');
    for (;;) {
      try {
        handle.write(id, 'x'.repeat(100));
      } catch (error) {
        if (error.code !== 'FULL') throw error;
      }
    }
  });
`;

test('a Worker that is terminated while it writes harms nobody', async (t) => {
  const server = await serve(t, { onData: (conn, data) => void conn.write(data) }, { loops: 1, hardLimit: 1 << 20, keepOnOverflow: true });
  const flooded = await connect(t, server);
  flooded.resume();
  while (server.connections === 0) await immediate();
  const [id] = server.connectionIds();
  for (let round = 0; round < 5; round += 1) {
    const writer = worker(t, WRITES, { handle: server.handle });
    writer.postMessage(id);
    await once(writer, 'message');
    await once(flooded, 'data');
    await writer.terminate();
  }
  const other = await connect(t, server);
  other.write('still here');
  assert.equal((await read(other, 10)).toString(), 'still here');
  assert.equal(server.conn(id).isOpen, true);
});

/** A server whose handle is told. */
const SERVES = `
  const server = new reactor.Server({ onOpen: (conn) => void parentPort.postMessage(conn.id) }, { loops: 1, mode: workerData.mode === 'inline' ? 'inline' : 'threads' });
  const url = server.listen('tcp://127.0.0.1:0');
  server.start().then(() => parentPort.postMessage({ url, handle: server.handle }));
`;

test('a server whose Worker is terminated is gone, and calls on it go on answering that', async (t) => {
  for (let round = 0; round < 5; round += 1) {
    const owner = worker(t, SERVES);
    const [{ url, handle }] = await once(owner, 'message');
    const reached = ServerHandle.from(handle);
    const client = await connect(t, { addresses: [url] });
    const [id] = await once(owner, 'message');
    const all = readAll(client);
    assert.equal(reached.write(id, 'hello'), true);
    const ended = deferred();
    let writes = 0;
    const timer = setInterval(() => {
      try {
        for (let count = 0; count < 100; count += 1) reached.write(id, 'x');
        writes += 1;
      } catch (error) {
        ended.resolve(error);
      }
    }, 0);
    while (writes === 0) await immediate();
    await owner.terminate();
    assert.ok(refused('CLOSED')(await ended.promise));
    clearInterval(timer);
    assert.throws(() => reached.close(id), refused('CLOSED', /its server is gone/));
    assert.equal(reached.isThere, false);
    assert.match((await all).toString(), /^hellox+$/);
  }
});

/** Calls, and says so. */
const SAYS = `
  const handle = reactor.ServerHandle.from(workerData.handle);
  parentPort.on('message', ([name, id]) => {
    handle[name](id);
    parentPort.postMessage(name);
  });
`;

for (const [asked, undone] of [['hold', 'release'], ['pause', 'resume']]) {
  test(`a ${asked} of a Worker's is undone by who was told of it, and on the server's own thread in order`, async (t) => {
    const data = [];
    const server = await serve(t, { onData: (conn, bytes) => void data.push(String(bytes)) });
    const client = await connect(t, server);
    while (server.connections === 0) await immediate();
    const [id] = server.connectionIds();
    const other = worker(t, SAYS, { handle: server.handle });
    for (let round = 0; round < 200; round += 1) {
      other.postMessage([asked, id]);
      await once(other, 'message');
      server[undone](id);
      server.handle[asked](id);
      server.handle[undone](id);
      server.handle[asked](id);
      server[undone](id);
    }
    if (asked === 'hold') {
      assert.throws(() => server.release(id), refused('WRONG_STATE', /is not held/));
      assert.throws(() => server.handle.release(id), refused('WRONG_STATE', /is not held/));
    }
    client.write('goes on');
    while (data.length === 0) await immediate();
    assert.deepEqual(data, ['goes on']);
  });
}

/** Calls as often as is asked, and says how each ended to who sleeps on a number meanwhile. */
const COUNTS = `
  const handle = reactor.ServerHandle.from(workerData.handle);
  parentPort.on('message', ([name, id, times, shared]) => {
    const ends = Array.from({ length: times }, () => {
      try {
        handle[name](id);
        return 'done';
      } catch (error) {
        return error.code;
      }
    });
    parentPort.postMessage(ends);
    Atomics.store(shared, 0, 1);
    Atomics.notify(shared, 0);
  });
`;

/** Has a Worker that {@link COUNTS} make calls while this thread does nothing; says how they ended. */
function meanwhile(other, name, id, times = 1) {
  const shared = new Int32Array(new SharedArrayBuffer(4));
  const said = once(other, 'message');
  other.postMessage([name, id, times, shared]);
  Atomics.wait(shared, 0, 0);
  return said.then(([ends]) => ends);
}

test('L1: onOpen comes first, also of what was detached before it could come', { skip: isInline && 'nothing comes before onOpen' }, async (t) => {
  const events = [];
  const server = await serve(t, {
    onOpen(conn) {
      events.push('open');
      conn.write('too late');
    },
    onData: assert.fail,
    onDetach(conn, detached) {
      events.push('detach');
      detached.toSocket().end('by itself');
    },
    onClose: (conn, reason) => void events.push(reason),
    onError: assert.fail,
  });
  const other = worker(t, COUNTS, { handle: server.handle });
  await once(other, 'online');
  const port = new URL(server.addresses[0].replace('tcp', 'http')).port;
  /** A connection of which this thread has not been told, and cannot be while it does nothing. */
  const untold = async () => {
    const peer = worker(t, PEER, { port });
    const answered = once(peer, 'message');
    while (server.connections === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    return { id: server.connectionIds()[0], answered };
  };
  for (const by of ['Worker', 'server']) {
    const { id, answered } = await untold();
    if (by === 'Worker') {
      void meanwhile(other, 'detach', id);
      assert.throws(() => server.pause(id), refused('CLOSED'));
    } else {
      server.detach(id);
    }
    assert.equal((await answered)[0], 'by itself');
    assert.deepEqual(events.splice(0), ['open', 'detach']);
  }
  const { id, answered } = await untold();
  server.close(id);
  assert.equal((await answered)[0], '');
  while (events.length < 2) await immediate();
  assert.deepEqual(events, ['open', 'local close']);
});

/** Calls without end, until it is told. */
const FLOODS = `
  const handle = reactor.ServerHandle.from(workerData.handle);
  parentPort.on('message', ([id, told]) => {
    let calls = 0;
    for (; calls < 2e6 && Atomics.load(told, 0) === 0; calls += 1) {
      try {
        handle.pause(id);
        handle.resume(id);
      } catch (error) {
        if (error.code !== 'FULL') throw error;
      }
    }
    parentPort.postMessage(calls < 2e6);
  });
`;

test('a Worker that calls without end does not keep the server\'s own thread', async (t) => {
  const server = await serve(t, { onData: (conn, data) => void conn.end(data) });
  const client = await connect(t, server);
  while (server.connections === 0) await immediate();
  const [id] = server.connectionIds();
  const told = new Int32Array(new SharedArrayBuffer(4));
  const floods = [worker(t, FLOODS, { handle: server.handle }), worker(t, FLOODS, { handle: server.handle })];
  await Promise.all(floods.map((flood) => once(flood, 'online')));
  const wereTold = floods.map((flood) => once(flood, 'message'));
  for (const flood of floods) flood.postMessage([id, told]);
  // They are ahead, and stay so.
  Atomics.wait(told, 0, 0, 100);
  server.resume(id);
  for (let turn = 0; turn < 3; turn += 1) await immediate();
  Atomics.store(told, 0, 1);
  assert.deepEqual(await Promise.all(wereTold), [[true], [true]]);
  // The last that was taken may have been a pause.
  server.resume(id);
  client.write('goes on');
  assert.equal((await readAll(client)).toString(), 'goes on');
});

/** A client that says what it has got. */
const PEER = `
  const socket = require('node:net').connect(Number(workerData.port), '127.0.0.1');
  let all = '';
  socket.on('data', (data) => (all += data)).on('end', () => parentPort.postMessage(all));
`;

test('a callback that finds out that a Worker has had its connection detached has not failed', async (t) => {
  const handed = deferred();
  const server = await serve(t, {
    onData(conn) {
      void meanwhile(other, 'detach', conn.id);
      conn.pause();
    },
    onDetach: () => handed.resolve(),
    onClose: assert.fail,
    onError: handed.reject,
  });
  const other = worker(t, COUNTS, { handle: server.handle });
  await once(other, 'online');
  (await connect(t, server)).write('x');
  await handed.promise;
});

for (const by of ['a handle', 'a Worker']) {
  test(`what waits for the handler is handed out when ${by} detaches the connection`, async (t) => {
    const [handed, seen] = [deferred(), deferred()];
    const given = [];
    const server = await serve(t, {
      onData(conn, data) {
        given.push(String(data));
        seen.resolve(conn);
        return new Promise(() => {});
      },
      onDetach: (conn, detached) => handed.resolve(String(detached.input)),
    }, { loops: 1 }, `${LOOPBACK}?framing=line`);
    const client = await connect(t, server);
    client.write('a\nb\nc\nhalf');
    const { id } = await seen.promise;
    while (server.conn(id).info().bytesReceived < 10) await immediate();
    if (by === 'a handle') server.handle.detach(id);
    else worker(t, SAYS, { handle: server.handle }).postMessage(['detach', id]);
    assert.equal(await handed.promise, 'b\nc\nhalf');
    assert.deepEqual(given, ['a']);
  });
}

test('a call that is refused asks for nothing', async (t) => {
  const server = await serve(t, { onDetach: assert.fail }, { loops: 1 }, 'udp://127.0.0.1:0');
  const [id] = server.endpoints(server.addresses[0]);
  for (const name of ['hold', 'release', 'detach']) assert.throws(() => server.handle[name](id), refused('UNSUPPORTED'), name);
  const other = await serve(t, {});
  await connect(t, other);
  while (other.connections === 0) await immediate();
  const [open] = other.connectionIds();
  other.close(open);
  for (const name of ['hold', 'release', 'pause', 'resume', 'detach']) assert.throws(() => other.handle[name](open), refused('CLOSED'), name);
});

for (const name of ['end', 'close']) {
  test(`D4: once a Worker's ${name} has come, the server's own thread is told so of each write`, async (t) => {
    const told = [];
    const server = await serve(t, {
      onData(conn) {
        // What is gathered is taken without asking the engine.
        for (const id of server.connectionIds().filter((each) => each !== conn.id)) {
          try {
            told.push(server.write(id, 'x'));
          } catch (error) {
            told.push(error.code);
          }
        }
        conn.write('!');
      },
    }, { loops: 1, lingerMs: 60_000 });
    const [ended, asking] = [await connect(t, server), await connect(t, server)];
    while (server.connections < 2) await immediate();
    const id = server.connectionIds().find((each) => server.conn(each).remotePort === ended.localPort);
    const ask = async () => {
      asking.write('?');
      await read(asking, 1);
    };
    await ask();
    await ask();
    const all = readAll(ended);
    const other = worker(t, SAYS, { handle: server.handle });
    other.postMessage([name, id]);
    await once(other, 'message');
    assert.equal((await all).toString(), 'xx');
    await ask();
    await ask();
    assert.deepEqual(told, [true, true, 'CLOSED', 'CLOSED']);
    ended.destroy();
  });
}

/** Reads what it is asked for, and writes to the connection, while the server's own thread waits for it. */
const READS = `
  const handle = reactor.ServerHandle.from(workerData.handle);
  parentPort.on('message', ({ id, turn }) => {
    const found = { info: handle.info(id), metrics: handle.metrics(), loop: handle.metrics(0) };
    handle.write(id, 'meanwhile');
    parentPort.postMessage({ info: found.info, read: [found.metrics.bytesRead, found.loop.bytesRead], count: found.loop.delay.count });
    Atomics.store(turn, 0, 1);
    Atomics.notify(turn, 0);
  });
`;

test('M1: a Worker reads info and metrics while the server\'s own thread is busy', async (t) => {
  const turn = new Int32Array(new SharedArrayBuffer(4));
  let reader;
  const own = [];
  const server = await serve(t, {
    onData(conn) {
      own.push(conn.info());
      reader.postMessage({ id: conn.id, turn });
      Atomics.wait(turn, 0, 0);
    },
  }, { loops: 1 });
  reader = worker(t, READS, { handle: server.handle });
  await once(reader, 'online');
  const client = await connect(t, server);
  client.write('12345');
  const [{ info, read: bytes, count }] = await once(reader, 'message');
  assert.equal((await read(client, 9)).toString(), 'meanwhile');
  assert.deepEqual({ ...info, ageMs: 0 }, { ...own[0], ageMs: 0 });
  assert.deepEqual([info.bytesReceived, info.listener, info.loop, bytes], [5, 1, 0, [5, 5]]);
  assert.equal(Number.isInteger(count), true);

  const { handle } = server;
  const [id] = server.connectionIds();
  assert.throws(() => handle.metrics(7), refused('INVALID_ARGUMENT', /there is no loop 7/));
  assert.throws(() => handle.metrics('0'), { name: 'TypeError', message: /^loop must be/ });
  await server.stop();
  assert.throws(() => handle.info(id), refused('CLOSED', /^connection \d+ is closed: its server is gone$/));
  assert.throws(() => handle.metrics(), refused('STOPPED', /the server is gone/));
});

test('a Worker wakes an endpoint that nobody has heard of yet', async (t) => {
  const woken = deferred();
  const server = await serve(t, { onWake: (conn) => void woken.resolve(String(conn.id)) }, { loops: 1 }, 'udp://127.0.0.1:0');
  const other = worker(t, SAYS, { handle: server.handle });
  const [id] = server.endpoints(server.addresses[0]);
  other.postMessage(['wake', id]);
  assert.equal(await woken.promise, String(id));
});

/** Takes two holds back, and says so to a thread that waits for it. */
const RELEASES = `
  const handle = reactor.ServerHandle.from(workerData.handle);
  parentPort.on('message', ({ id, turn }) => {
    const told = [];
    for (let count = 0; count < 3; count += 1) {
      try {
        told.push(handle.release(id));
      } catch (error) {
        told.push(error.code);
      }
    }
    parentPort.postMessage(told);
    Atomics.store(turn, 0, 1);
    Atomics.notify(turn, 0);
  });
`;

test("L8: a Worker takes back several holds while the server's own thread is busy", async (t) => {
  const turn = new Int32Array(new SharedArrayBuffer(4));
  const data = [];
  const server = await serve(t, { onData: (conn, bytes) => void data.push(String(bytes)) });
  const client = await connect(t, server);
  while (server.connections === 0) await immediate();
  const [id] = server.connectionIds();
  server.hold(id);
  server.hold(id);
  client.write('goes on');
  const other = worker(t, RELEASES, { handle: server.handle });
  await once(other, 'online');
  other.postMessage({ id, turn });
  Atomics.wait(turn, 0, 0);
  assert.deepEqual((await once(other, 'message'))[0], [undefined, undefined, 'WRONG_STATE']);
  while (data.length === 0) await immediate();
  assert.deepEqual(data, ['goes on']);
});

const FLOOD = `
  const handle = reactor.ServerHandle.from(workerData.handle);
  const { id, gate } = workerData;
  let [made, refused] = [0, null];
  while (refused === null && made < 300_000) {
    try {
      handle.hold(id);
      made += 1;
    } catch (error) {
      refused = [error.code, error.message];
    }
  }
  Atomics.store(gate, 0, 1);
  Atomics.notify(gate, 0);
  parentPort.postMessage([made, refused]);
`;

test('D5: calls of a Worker that wait for a thread that is blocked are bounded, and go on when it comes to them', async (t) => {
  const opened = deferred();
  const server = await serve(t, { onOpen: opened.resolve, onData: (conn, data) => void conn.write(data) });
  const client = await connect(t, server);
  const { id } = await opened.promise;
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const flooding = worker(t, FLOOD, { handle: server.handle, id, gate });
  const told = once(flooding, 'message');
  Atomics.wait(gate, 0, 0);
  const [[made, why]] = await told;
  assert.equal(made, 262_144);
  assert.deepEqual(why, ['FULL', `connection ${id}: 262144 calls of other threads wait for the server's own already`]);
  // Each was carried out: so many releases make it be read again, and one more is refused.
  const conn = server.conn(id);
  for (let number = 0; number < made; number += 1) conn.release();
  assert.throws(() => conn.release(), refused('WRONG_STATE'));
  client.write('x');
  assert.equal((await read(client, 1)).toString(), 'x');
});
