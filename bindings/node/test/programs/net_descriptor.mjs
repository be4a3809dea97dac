// A program with its net: ours, or Node's. What it does, the second argument says.
import node from 'node:net';

import ours from 'reactor-engine/net';

const [, , whose, what = 'inherits', port] = process.argv;
const net = whose === 'ours' ? ours : node;
if (whose === 'ours' && process.env.REACTOR_TEST_MODE === 'threads') ours.setEngineMode('threads');

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
    process.on('uncaughtException', ({ message }) => (caught = message));
    const server = net.createServer((socket) => {
      socket.on('data', (data) => {
        if (String(data) === 'first') throw new Error('thrown');
        console.log(`caught ${caught}, then ${data}`);
        process.exit();
      });
    }).listen(0, '127.0.0.1', () => {
      const client = net.connect(server.address().port, '127.0.0.1');
      client.write('first');
      setTimeout(() => client.write('second'), 100);
    });
  },

  exits() {
    const client = net.connect(Number(port), '127.0.0.1', () => {
      client.write('the last words');
      process.exit();
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
