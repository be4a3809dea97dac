// The commands from standard input.
import { createInterface } from 'node:readline';

import { Server } from 'reactor-engine';

import { call } from './calls.mjs';
import { complain, emit, outcome } from './report.mjs';
import { plain, split } from './text.mjs';

/** Makes a call so many times: how often each result came. */
async function threads(scene, rest) {
  const [count, times, ...words] = rest.split(' ');
  const tally = {};
  for (let thread = 0; thread < Number(count); thread += 1) {
    for (let at = 0; at < Number(times); at += 1) {
      const line = words.join(' ').replaceAll('%t', thread).replaceAll('%n', at);
      const result = plain(await outcome(() => call(scene, line)));
      tally[result] = (tally[result] ?? 0) + 1;
    }
  }
  return tally;
}

async function burst(scene, rest) {
  const [id, count, size] = rest.split(' ');
  const write = () => outcome(() => call(scene, `${id} write ${size}`));
  return Array.from({ length: Number(count) }, write).join(' ');
}

async function cycles(_, count) {
  for (let at = 0; at < Number(count); at += 1) {
    const server = new Server({}, { loops: 1 });
    server.listen('tcp://127.0.0.1:0');
    await server.start();
    await server.stop();
  }
  return 'ok';
}

const shortly = (name) => (scene, rest) => {
  const [id, text] = split(rest);
  return call(scene, `${id} ${name} ${text}`);
};

const COMMANDS = {
  ...Object.fromEntries(['write', 'text', 'close', 'hold', 'release'].map((name) => [name, shortly(name)])),
  stop: (scene) => call(scene, 'server stop'),
  // No command is read before the end, which a connection asks for.
  wait: ({ server }) => server.wait().then(() => 'ok'),
  call,
  threads,
  burst,
  cycles,
  stats: ({ server }) => ({ connections: server.connections, queued: server.queuedBytes }),
  listen: ({ server }, url) => server.listen(url),
};

/** The result of a command, and with a call what was wrong with it. */
async function obey(commands, scene, name, rest) {
  try {
    const result = await commands[name](scene, rest);
    return { result, message: null };
  } catch (error) {
    return { result: error.code ?? String(error), message: error.message };
  }
}

/** Carries out one command a line, until standard input ends, which stops the server. `start` starts it. */
export async function control(scene, start) {
  const begin = () => start().then(() => 'ok');
  const commands = { ...COMMANDS, start: begin };
  for await (const command of createInterface({ input: process.stdin })) {
    const [name, rest] = split(command);
    if (!Object.hasOwn(commands, name)) {
      complain(`unknown command "${command}"`);
      continue;
    }
    const own = command === 'call server start' ? { call: begin } : commands;
    const { result, message } = await obey(own, scene, name, rest);
    emit('reply', { command, result, ...(name === 'call' ? { message } : {}) });
  }
  await scene.server.stop();
  await scene.world.end();
}
