// Terminates Workers with a running server and a client each, and counts what is left. It runs in Bun and Deno, too.
import { readdirSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker, parentPort, workerData } from 'node:worker_threads';

import { Server } from 'reactor-engine';

const count = () => readdirSync('/proc/self/fd').length;

async function round() {
  const worker = new Worker(new URL(import.meta.url), { workerData: 'serve' });
  const url = await new Promise((resolve) => worker.once('message', resolve));
  const socket = net.connect(Number(url.split(':').pop()), '127.0.0.1', () => socket.write('hello'));
  await new Promise((resolve) => socket.once('data', resolve));
  const closed = new Promise((resolve) => socket.on('error', () => {}).once('close', resolve));
  await worker.terminate();
  await closed;
}

if (workerData === 'serve') {
  const server = new Server({ onData: (conn, data) => void conn.write(data) }, { loops: 2 });
  const url = server.listen('tcp://127.0.0.1:0');
  await server.start();
  parentPort.postMessage(url);
} else {
  for (let first = 0; first < 3; first += 1) await round();
  await sleep(500);
  const before = count();
  let told = 0;
  for (let number = 0; number < 10; number += 1) await round().then(() => (told += 1));
  // Bun and Deno end a Worker behind `terminate`.
  for (let tries = 0; tries < 100 && count() > before; tries += 1) await sleep(100);
  console.log(`descriptors left: ${Math.max(0, count() - before)}, who was connected was told: ${told}`);
  process.exit(0);
}
