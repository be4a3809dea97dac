// A program for lifetime.test.mjs: does what its argument says.
import { readdirSync, readlinkSync, writeSync } from 'node:fs';
import net from 'node:net';
import { Worker, parentPort } from 'node:worker_threads';

import { Server } from 'reactor-engine';

/** Written at once, also if the process is about to end. */
const say = (text) => void writeSync(1, `${text}\n`);

function server(handler = {}) {
  const made = new Server({ onStop: () => say('onStop'), ...handler }, { loops: 2 });
  const url = made.listen('tcp://127.0.0.1:0');
  return { made, port: Number(url.split(':').pop()) };
}

/** The descriptors of the engine's kind that this process has. */
function eventDescriptors() {
  const targets = readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      // The descriptor that the listing itself used.
      return '';
    }
  });
  return targets.filter((target) => target.includes('eventfd')).length;
}

/** Clients that keep an echo server busy. */
function flood(port) {
  for (let i = 0; i < 4; i += 1) {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(Buffer.alloc(50_000)));
    socket.on('data', (data) => socket.write(data));
    socket.on('error', () => {});
  }
}

const busy = { onData: (conn, data) => void conn.write(data), onError: () => {} };

const PROGRAMS = {
  unstarted: () => void server(),
  async 'given up'() {
    await server().made.stop();
    new Server({});
  },
  async 'refused start'() {
    const { made } = server({ onStart: () => { throw new Error('no'); } });
    await made.start().catch((error) => say(error.code));
  },
  async stopped() {
    const { made } = server();
    await made.start();
    setTimeout(() => made.stop(), 50);
    say('started');
  },
  async unref() {
    const { made } = server();
    made.unref();
    await made.start();
    say('started');
  },
  async 'unref later, and ref again'() {
    const { made } = server();
    await made.start();
    made.unref().ref();
    setTimeout(() => made.stop(), 50).unref();
  },
  async run() {
    const { made } = server();
    const done = made.run();
    say(`listeners ${process.listenerCount('SIGINT')}`);
    await done;
    say(`listeners ${process.listenerCount('SIGINT')}`);
  },
  async 'run without signals'() {
    const { made } = server();
    const done = made.run({ handleSignals: false });
    say(`listeners ${process.listenerCount('SIGINT')}`);
    await done;
  },
  async exit() {
    const { made, port } = server(busy);
    await made.start();
    flood(port);
    setTimeout(() => process.exit(7), 60);
  },
  async 'exit in a callback'() {
    const { made, port } = server({ onData: () => process.exit(7) });
    await made.start();
    flood(port);
  },
  async 'failing exit'() {
    const { made, port } = server(busy);
    await made.start();
    flood(port);
    setTimeout(() => { throw new Error('uncaught on purpose'); }, 60);
  },
  async worker() {
    const before = eventDescriptors();
    for (let round = 0; round < 5; round += 1) {
      const worker = new Worker(new URL(import.meta.url), { argv: ['in a worker'] });
      await new Promise((resolve) => worker.once('message', resolve));
      await new Promise((resolve) => setTimeout(resolve, 10 * round));
      say(`worker ended with ${await worker.terminate()}, descriptors left: ${eventDescriptors() - before}`);
    }
  },
  async 'in a worker'() {
    const { made, port } = server(busy);
    await made.start();
    flood(port);
    parentPort.postMessage('busy');
  },
};

await PROGRAMS[process.argv[2]]();
