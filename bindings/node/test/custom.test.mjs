// D2: functions of the user's that measure frames, which run where the loop does: inline.
import assert from 'node:assert/strict';
import net from 'node:net';
import { setImmediate as immediate } from 'node:timers/promises';
import test from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { CloseReason, ReactorError, Server, custom, line } from 'reactor-engine';

import { LOOPBACK, connect, deferred, isInline, readAll } from './support.mjs';

const refused = (code, message = /./) => (error) => error instanceof ReactorError && error.code === code && message.test(error.message);

/** A byte says how many follow. */
const counted = (input) => (input[0] > 127 ? reject(input[0]) : 1 + input[0]);
const reject = (byte) => {
  throw new RangeError(`no frame has ${byte} bytes`);
};

async function serve(t, framing, handler = {}) {
  const told = { frames: [], reasons: [], errors: [] };
  const server = new Server({
    onData: (conn, data) => void told.frames.push(data.toString('latin1')),
    onClose: (conn, reason) => void told.reasons.push(reason),
    onError: (error, conn) => void told.errors.push([error, conn]),
    ...handler,
  }, { mode: 'inline' });
  server.listen(LOOPBACK, { framing });
  await server.start();
  t.after(() => server.stop());
  return { server, told };
}

test('frames are as long as a function says, however they come', async (t) => {
  const asked = [];
  const { server, told } = await serve(t, (input) => (asked.push(input.length), input.length < 2 ? null : 2 + input[1]));
  const client = await connect(t, server);
  client.setNoDelay();
  client.write('a\x02bca');
  while (told.frames.length < 1) await immediate();
  client.write('\x00b\x03x');
  while (told.frames.length < 2) await immediate();
  client.write('yz');
  while (told.frames.length < 3) await immediate();
  assert.deepEqual(told.frames, ['a\x02bc', 'a\x00', 'b\x03xyz']);
  assert.ok(asked.every((length) => length > 0));
});

test('the input that a function is given is its own', async (t) => {
  const kept = [];
  const { server, told } = await serve(t, (input) => {
    kept.push(input);
    input.fill(120);
    return 2;
  });
  (await connect(t, server)).write('abcd');
  while (told.frames.length < 2) await immediate();
  assert.deepEqual(told.frames, ['ab', 'cd']);
  assert.ok(kept.every((input) => input.every((byte) => byte === 120)));
});

const WRONG = {
  'a RangeError says that the input is none': [counted, null],
  'a frame of no bytes is none': [() => 0, null],
  'one of less neither': [() => -5, null],
  'a frame above the maximum is too large': [custom(counted, { maxFrame: 100 }), null],
  'another error is a failure, too': [() => { throw new Error('told to fail'); }, /told to fail/],
  'what is no number is one': [() => '5', /must return a whole number, or null, not '5'/],
  'and so is a fraction': [() => 1.5, /must return a whole number, or null, not 1\.5/],
};

for (const [what, [framing, failure]] of Object.entries(WRONG)) {
  test(`${what}, and ends the connection`, async (t) => {
    const { server, told } = await serve(t, framing);
    const client = await connect(t, server);
    client.write(Buffer.alloc(300, failure || framing === counted ? 200 : 110));
    await readAll(client);
    while (told.reasons.length === 0) await immediate();
    assert.deepEqual([told.reasons, told.frames], [[CloseReason.Protocol], []]);
    assert.equal(told.errors.length, failure ? 1 : 0);
    if (!failure) return;
    assert.match(told.errors[0][0].message, failure);
    assert.equal(told.errors[0][1], null);
  });
}

test('a function may be set by a call, and cuts what an outgoing connection gets', async (t) => {
  const got = deferred();
  const { server, told } = await serve(t, line(), {
    onData(conn, data) {
      if (conn.data) return got.resolve(String(data));
      conn.setFraming(counted);
      assert.throws(() => conn.writeFrame('x'), refused('INVALID_ARGUMENT'));
      return told.frames.push(String(data));
    },
  });
  (await connect(t, server)).write('first\n\x03abc\x00');
  const peer = net.createServer((socket) => void socket.end('\x02ok')).listen(0, '127.0.0.1');
  t.after(() => peer.close());
  while (!peer.listening) await immediate();
  server.connect(`tcp://127.0.0.1:${peer.address().port}`, { framing: custom(counted), context: 'mine' });
  assert.equal(await got.promise, '\x02ok');
  while (told.frames.length < 3) await immediate();
  assert.deepEqual(told.frames, ['first', '\x03abc', '\x00']);
});

test('a function of a server that is over is collected', async (t) => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc');
  const collected = deferred();
  const registry = new FinalizationRegistry(collected.resolve);
  await (async () => {
    const measure = (input) => counted(input);
    registry.register(measure, 'the function');
    const { server, told } = await serve(t, measure);
    const client = await connect(t, server);
    client.write('\x01x');
    while (told.frames.length < 1) await immediate();
    await server.stop();
  })();
  let found;
  void collected.promise.then((what) => (found = what));
  while (!found) {
    // Those that nobody has any more are let go of by the next call that has one.
    await serve(t, (input) => input.length).then(({ server }) => server.stop());
    gc();
    await immediate();
  }
  assert.equal(found, 'the function');
});

test('on threads there is none, and it is said what there is instead', { skip: isInline }, async (t) => {
  const server = new Server({});
  for (const framing of [counted, custom(counted)]) {
    assert.throws(() => server.listen(LOOPBACK, { framing }), refused('UNSUPPORTED', /mode 'inline'.*conn\.keep/));
  }
  assert.deepEqual(server.listeners, []);
  server.listen(LOOPBACK);
  await server.start();
  t.after(() => server.stop());
  assert.throws(() => server.connect(server.addresses[0], { framing: counted }), refused('UNSUPPORTED', /mode 'inline'/));
  const conn = server.connect(server.addresses[0]);
  assert.throws(() => conn.setFraming(counted), refused('UNSUPPORTED', /mode 'inline'/));
});

test('R5: what is no such framing is refused', () => {
  assert.throws(() => custom(), { name: 'TypeError' });
  assert.throws(() => custom(5), { name: 'TypeError' });
  assert.throws(() => custom(counted, { maxFrames: 5 }), refused('INVALID_ARGUMENT', /maxFrames/));
  for (const maxFrame of [-1, 1.5]) assert.throws(() => custom(counted, { maxFrame }), refused('INVALID_ARGUMENT', /maxFrame/));
  const server = new Server({}, { mode: 'inline' });
  assert.throws(() => server.listen(`${LOOPBACK}?framing=custom`), refused('INVALID_ADDRESS', /framing/));
  assert.throws(() => server.listen(LOOPBACK, { framing: 'custom' }), refused('INVALID_ARGUMENT', /framing/));
});
