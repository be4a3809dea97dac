// A program with its net: ours, or Node's. What it does, the second argument says.
import node from 'node:net';

import { Conn } from 'reactor-engine';
import ours from 'reactor-engine/net';

const [, , whose, what = 'inherits', port] = process.argv;
const net = whose === 'ours' ? ours : node;
if (whose === 'ours' && process.env.REACTOR_TEST_MODE === 'threads') ours.setEngineMode('threads');

/** More than the kernel takes for a peer that does not read. */
const MUCH = Buffer.alloc(16 << 20, 'm');

/** Gives the engine that much by its own connection: to the handle it is as what counts as written. */
function fill(handle) {
  const { info } = Conn.prototype;
  Conn.prototype.info = function told() {
    Conn.prototype.info = info;
    this.write(MUCH);
    return this.info();
  };
  return handle.bytesSent;
}

const deeds = {
  /** Listens at one descriptor, and talks over another. */
  inherits() {
    const stream = new net.Socket({ fd: 4, readable: true, writable: true });
    const server = net.createServer((socket) => socket.end('from the descriptor')).listen({ fd: 3 }, () => stream.write('listening'));
    stream.on('data', () => server.close()).on('end', () => stream.end());
  },

  /** A listener throws at the first bytes. */
  throws() {
    let caught = '';
    let client;
    process.on('uncaughtException', ({ message }) => {
      caught = message;
      client.write('second');
    });
    const server = net.createServer((socket) => {
      socket.on('data', (data) => {
        if (String(data) === 'first') throw new Error('thrown');
        console.log(`caught ${caught}, then ${data}`);
        process.exit();
      });
    }).listen(0, '127.0.0.1', () => {
      client = net.connect(server.address().port, '127.0.0.1');
      client.write('first');
    });
  },

  exits() {
    const client = net.connect(Number(port), '127.0.0.1', () => {
      client.write('the last words');
      process.exit();
    });
  },

  /** Destroys a socket of which the engine, or with Node's the kernel, has something to send yet. */
  destroys() {
    const client = net.connect(Number(port), '127.0.0.1', () => {
      const { _handle: handle } = client;
      if (whose === 'ours') fill(handle);
      else client.write(MUCH);
      process.on('exit', () => console.log(`ended with it ${handle.isOpen === false ? 'closed' : 'open'}`));
      console.log(`destroyed ${MUCH.length}`);
      client.destroy();
    });
  },

  unrefs() {
    const server = net.createServer((socket) => socket.unref()).listen(0, '127.0.0.1', () => {
      const client = net.connect(server.address().port, '127.0.0.1', () => {
        client.unref();
        server.unref();
        console.log('unreferenced');
      });
    });
  },
};

deeds[what]();
