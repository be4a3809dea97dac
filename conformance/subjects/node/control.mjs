// The commands from standard input.
import { createInterface } from 'node:readline';

import { ConnId } from 'reactor-engine';

import { complain, emit, outcome, outcomeOf } from './report.mjs';
import { pattern, split } from './script.mjs';

const COMMANDS = {
  write(server, rest) {
    const [id, size] = split(rest);
    return outcome(() => server.write(ConnId.parse(id), pattern(size)));
  },
  text(server, rest) {
    const [id, text] = split(rest);
    return outcome(() => server.write(ConnId.parse(id), `${text}\n`));
  },
  burst(server, rest) {
    const [id, count, size] = rest.split(' ');
    const bytes = pattern(size);
    const write = () => outcome(() => server.write(ConnId.parse(id), bytes));
    return Array.from({ length: Number(count) }, write).join(' ');
  },
  close: (server, id) => outcome(() => server.close(ConnId.parse(id))),
  hold: (server, id) => outcome(() => server.hold(ConnId.parse(id))),
  release: (server, id) => outcome(() => server.release(ConnId.parse(id))),
  stats: (server) => ({ connections: server.connections, queued: server.queuedBytes }),
  stop(server) {
    void server.stop();
    return 'ok';
  },
  listen(server, url) {
    try {
      return server.listen(url);
    } catch (error) {
      return error.code;
    }
  },
  wait: (server) => outcomeOf(server.wait()),
};

/** Carries out one command a line, until standard input ends, which stops the server. `start` starts it. */
export async function control(server, start) {
  const commands = { ...COMMANDS, start: () => outcomeOf(start()) };
  for await (const command of createInterface({ input: process.stdin })) {
    const [name, rest] = split(command);
    if (!Object.hasOwn(commands, name)) complain(`unknown command "${command}"`);
    else emit('reply', { command, result: await commands[name](server, rest) });
  }
  await server.stop();
}
