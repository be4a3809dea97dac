// What those do by habit who come from elsewhere, and what newcomers look at first.
import assert from 'node:assert/strict';
import test from 'node:test';
import { inspect } from 'node:util';

import { Server, delimiter, fixed, line } from 'reactor-engine';

import { LOOPBACK, connect, deferred, read, readAll, serve } from './support.mjs';

const wrong = (message) => ({ name: 'TypeError', message });

test('end takes last words, by the connection and by its id, and loses none', async (t) => {
  const opened = deferred();
  const server = await serve(t, {
    onOpen: (conn) => opened.resolve(conn),
    onData(conn, data) {
      conn.write('first ');
      if (data.toString() === 'id') conn.server.end(conn.id, new Uint8Array([0x62, 0x79, 0x65]));
      else conn.end('bye');
    },
  });
  for (const words of ['object', 'id']) {
    const socket = await connect(t, server);
    socket.write(words);
    assert.equal((await readAll(socket)).toString(), 'first bye');
    socket.end();
  }
  const conn = await opened.promise;
  assert.throws(() => conn.end('late'), { code: 'CLOSED' });
});

test('end with what cannot be written throws, and the connection goes on', async (t) => {
  const errors = [];
  const server = await serve(t, {
    onData(conn, data) {
      try {
        conn.end(5);
      } catch (error) {
        errors.push(error.message);
      }
      conn.write(data);
    },
  });
  const socket = await connect(t, server);
  socket.write('x');
  assert.equal((await read(socket, 1)).toString(), 'x');
  assert.deepEqual(errors, ['data must be a string, a Buffer or another view of memory, not 5']);
});

test('a frame can be written with a callback, which comes when it was sent, or is given up', async (t) => {
  const told = [];
  const [sent, closed] = [deferred(), deferred()];
  const server = new Server({
    onData(conn, data) {
      const big = data.toString() === 'big';
      const goesOn = conn.writeFrame(Buffer.alloc(big ? 15 << 20 : 5, 'x'), (error) => {
        told.push(big ? [error?.code, conn.isOpen] : [error, conn.info().bytesSent]);
        if (!big) sent.resolve();
      });
      told.push(goesOn);
      assert.throws(() => conn.writeFrame('x', 5), wrong('callback must be a function, not 5'));
    },
    onClose: () => closed.resolve(),
    onError: (error) => told.push(error),
  }, { loops: 1, highWater: 65_536 });
  t.after(() => server.stop());
  server.listen(LOOPBACK, { framing: line() });
  await server.start();
  const socket = await connect(t, server);
  socket.write('small\n');
  assert.equal((await read(socket, 6)).toString(), 'xxxxx\n');
  await sent.promise;
  socket.once('readable', () => socket.resetAndDestroy());
  socket.write('big\n');
  await closed.promise;
  assert.deepEqual(told, [true, [null, 6], false, ['CLOSED', false]]);
});

test('a connection knows its server: an accepted one, one that was made, and an endpoint', async (t) => {
  const seen = [];
  const both = deferred();
  const note = (conn) => {
    if (seen.push(conn.server) === 3) both.resolve();
  };
  const server = new Server({ onOpen: note, onDatagram: note }, { loops: 1 });
  t.after(() => server.stop());
  const [stream, datagrams] = [server.listen(LOOPBACK), server.listen('udp://127.0.0.1:0')];
  await server.start();
  assert.equal(server.connect(stream).server, server);
  server.sendTo(server.endpoints(datagrams)[0], datagrams.slice('udp://'.length), 'x');
  await both.promise;
  assert.deepEqual(seen.map((each) => each === server), [true, true, true]);
});

test('console.log shows what there is to see of a connection and of a server', async (t) => {
  const shown = deferred();
  const server = await serve(t, {
    onOpen(conn) {
      conn.data = { name: 'ada', conn };
      shown.resolve([inspect(conn), conn.id, conn.remotePort]);
    },
  });
  await connect(t, server);
  const [text, id, port] = await shown.promise;
  const peer = `id: '${id}', isOpen: true, remoteAddress: '127.0.0.1', remotePort: ${port}`;
  const words = `Conn { ${peer}, data: <ref *1> { name: 'ada', conn: Conn { ${peer}, data: [Circular *1] } } }`;
  assert.equal(text.replace(/\s+/g, ' '), words);
  const [address] = server.addresses;
  const state = `Server { addresses: [ '${address}' ], loops: 1, connections: 1, isStopping: false }`;
  assert.equal(inspect(server).replace(/\s+/g, ' '), state);
});

test('an argument that is left out is not zero', async (t) => {
  const kept = deferred();
  const server = await serve(t, {
    onData(conn) {
      try {
        conn.keep(undefined);
      } catch (error) {
        kept.resolve(error);
      }
    },
  });
  (await connect(t, server)).write('x');
  const { name, message } = await kept.promise;
  assert.deepEqual({ name, message }, { name: 'TypeError', message: 'count must be a number of bytes, not undefined' });
  assert.throws(() => server.enroll(), wrong('descriptor must be a number, not undefined'));
  assert.throws(() => server.runOnLoop(undefined, () => {}), wrong('loop must be a number, not undefined'));
});

test('who gives a port, or no length, is told what to give', () => {
  const server = new Server({});
  assert.throws(() => server.listen(5000), wrong("url must be a string such as 'tcp://127.0.0.1:5000', not 5000"));
  assert.throws(() => server.connect({ port: 5000 }), wrong("url must be a string such as 'tcp://127.0.0.1:5000', not { port: 5000 }"));
  assert.throws(() => fixed(), wrong('length must be a number of bytes, not undefined'));
  assert.throws(() => fixed('5'), wrong("length must be a number of bytes, not '5'"));
  assert.throws(() => delimiter(), wrong('a delimiter must be a string or a Buffer, not undefined'));
  assert.throws(() => delimiter(['\n', 5]), wrong('a delimiter must be a string or a Buffer, not 5'));
});
