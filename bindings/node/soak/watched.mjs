// A server of servers.mjs, in a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { PATIENCE } from './clients.mjs';

export class Watched {
  #process;
  #lines;

  /** `flags` are for Node, which runs it. */
  constructor(mode, flags = []) {
    const program = fileURLToPath(new URL('servers.mjs', import.meta.url));
    this.#process = spawn(process.execPath, ['--expose-gc', '--max-semi-space-size=1', ...flags, program, mode], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  async read() {
    const { value = '{ "failed": "it ended" }' } = await this.#lines.next();
    const said = JSON.parse(value);
    if (said.failed) throw new Error(said.failed);
    return said;
  }

  /** Where it listens: what it says first. */
  async port() {
    return Number((await this.read()).url.split(':').pop());
  }

  /** What it holds when so many connections are left. */
  async look(connections) {
    const deadline = performance.now() + PATIENCE;
    for (;;) {
      this.#process.stdin.write('look\n');
      const found = await this.read();
      if (found.connections === connections) return found;
      if (performance.now() > deadline) throw new Error(`${found.connections} connections for ${connections}`);
      await sleep(50);
    }
  }

  async end() {
    const closed = once(this.#process, 'close');
    this.#process.stdin.end();
    const [code, signal] = await closed;
    if (code !== 0) throw new Error(`it ended with ${code ?? signal}`);
  }

  kill() {
    this.#process.kill('SIGKILL');
  }
}
