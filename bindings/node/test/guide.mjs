// What the tests of the guide share: its programs, as they stand there, run as a newcomer runs them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { Server } from 'reactor-engine';

import { isInline, read, readAll, target, temporaryFolder } from './support.mjs';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const LIBRARIES = fileURLToPath(new URL('libraries/node_modules', import.meta.url));
export const GUIDE = join(PACKAGE, 'guide');

export const page = (name) => readFileSync(join(GUIDE, name), 'utf8');

/** The first program under a heading of a page, or a further one, at any free port: its own may be taken. */
export function program(name, heading, index = 0) {
  const [, under] = page(name).split(new RegExp(`^#+ ${heading}$`, 'm'));
  return atAnyPort(under.split('```js\n')[index + 1].split('```\n')[0]);
}

export const atAnyPort = (code) => code.replace(/'(tcp|udp):\/\/(127\.0\.0\.1)?:\d+'/g, "'$1://127.0.0.1:0'");

/** A folder with a program, and the package in node_modules; the libraries that programs use are in that of the folder above. */
export function installed(t, code) {
  const above = temporaryFolder(t);
  const folder = join(above, 'program');
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  symlinkSync(PACKAGE, join(folder, 'node_modules', 'reactor-engine'));
  symlinkSync(LIBRARIES, join(above, 'node_modules'));
  const file = join(folder, 'program.mjs');
  writeFileSync(file, code);
  return file;
}

/** A program that runs: what it prints, line by line, and its end. */
export class Running {
  #lines;
  #errors = '';

  constructor(t, command, args) {
    this.child = spawn(command, args, { timeout: 50_000, killSignal: 'SIGKILL' });
    t.after(() => this.child.kill('SIGKILL'));
    this.#lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    this.child.stderr.setEncoding('utf8').on('data', (text) => (this.#errors += text));
    this.ended = once(this.child, 'close').then(([code]) => ({ code, errors: this.#errors }));
  }

  async line() {
    return (await this.#lines.next()).value;
  }

  /** The URL that the next line tells. */
  async told(what) {
    const line = await this.line();
    assert.ok(line?.startsWith(`${what} `), `${line}\n${this.#errors}`);
    return line.slice(what.length + 1);
  }

  /** What it prints until it ends, which it does well. */
  async rest() {
    assert.deepEqual(await this.ended, { code: 0, errors: '' });
    const lines = [];
    for (let line; (line = await this.line()) !== undefined; ) lines.push(line);
    return lines;
  }

  /** The same, when it was asked to stop. */
  stop(signal = 'SIGTERM') {
    this.child.kill(signal);
    return this.rest();
  }
}

/** What has reactor-engine/net use threads, as the tests' own servers do in that mode. */
const MODE = isInline ? [] : ['--require', fileURLToPath(new URL('threads.cjs', import.meta.url))];

/** Starts a program, with arguments. */
export const run = (t, code, ...args) => new Running(t, process.execPath, [...MODE, installed(t, code), ...args]);

/** A client, destroyed when the test is over. */
export async function dial(t, url) {
  const socket = net.connect({ ...target(url), allowHalfOpen: true });
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Waits until something is so. */
export async function until(isSo) {
  while (!(await isSo())) await sleep(10);
}

/** A port that nobody has: below those that the kernel chooses from. */
export async function freePort() {
  for (;;) {
    const server = new Server({});
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    try {
      server.listen(`tcp://127.0.0.1:${port}`);
      return port;
    } catch (error) {
      assert.equal(error.code, 'ADDRESS_IN_USE');
    } finally {
      await server.stop();
    }
  }
}

/** Whether nobody listens there. */
export const isRefused = ({ host, port }) => new Promise((resolve) => {
  const socket = net.connect(port, host, () => (socket.destroy(), resolve(false)));
  socket.on('error', () => resolve(true));
});

/** Clients of each of two that share a port, by what makes out who answers. */
export async function ofBoth(t, url, who) {
  const clients = new Map();
  while (clients.size < 2) {
    const client = await dial(t, url);
    client.write('hello\n');
    const name = await who(client);
    clients.get(name)?.destroy();
    clients.set(name, client);
  }
  return clients;
}

/** The next bytes, so many, as text. */
export async function text(socket, length) {
  const data = await read(socket, length);
  if (data.length > length) socket.unshift(data.subarray(length));
  return data.toString('latin1', 0, length);
}

/** The next line. */
export async function lineOf(socket) {
  let words = '';
  while (!words.endsWith('\n')) words += await text(socket, 1);
  return words;
}

/** What comes until the end, as text. */
export const rest = async (socket) => (await readAll(socket)).toString();
