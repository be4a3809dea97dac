// The load: clients that connect, talk, and end in every way.
import { once } from 'node:events';
import net from 'node:net';

/** What `big` is answered with. */
const BIG_LENGTH = 1 << 20;
const BIG_START = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

/** How long a client waits: a guard against hanging. */
export const PATIENCE = 60_000;

class Client {
  #socket;
  #fault = null;

  constructor(port) {
    this.#socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    // It runs while it is waited for something.
    this.#socket.on('timeout', () => this.#socket.destroy(new Error('a client waits in vain')));
    this.#socket.on('error', (error) => (this.#fault = error));
  }

  async connected() {
    await once(this.#socket, 'connect');
    return this;
  }

  send(text) {
    this.#socket.write(text);
  }

  end() {
    this.#socket.end();
  }

  /** Waits until there is something to read, or nothing more. */
  #readable() {
    const socket = this.#socket;
    if (socket.readableEnded || socket.destroyed) return undefined;
    return new Promise((resolve) => {
      const done = () => {
        for (const event of EVENTS) socket.off(event, done);
        socket.setTimeout(0);
        resolve();
      };
      socket.setTimeout(PATIENCE);
      for (const event of EVENTS) socket.on(event, done);
    });
  }

  /** So many bytes, or fewer at the end. */
  async read(length) {
    const chunks = [];
    let missing = length;
    while (missing > 0) {
      const chunk = this.#socket.read(Math.min(missing, this.#socket.readableLength || missing));
      if (chunk) {
        chunks.push(chunk);
        missing -= chunk.length;
      } else if (this.#socket.readableEnded || this.#socket.destroyed) {
        break;
      } else {
        await this.#readable();
      }
    }
    return Buffer.concat(chunks);
  }

  async expect(answer) {
    const got = await this.read(answer.length);
    if (!got.equals(Buffer.from(answer))) throw new Error(`${JSON.stringify(String(got.subarray(0, 100)))} for ${JSON.stringify(String(answer.slice(0, 100)))}`, { cause: this.#fault });
  }

  async expectEnd() {
    const rest = await this.read(1);
    if (rest.length > 0) throw new Error(`${rest} for the end`);
  }

  /** Resolves when it has gone. */
  async leave(reset = false) {
    if (this.#socket.closed) return;
    const closed = once(this.#socket, 'close');
    if (reset) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
    await closed;
  }
}

const EVENTS = ['readable', 'end', 'close'];

// ---- what a client does with its connection; each says whether it resets ----

/** Has the answer, and resets. */
const answered = (word) => async (client) => {
  client.send(`${word}\n`);
  await client.expect(`${word}\n`);
  return true;
};

/** Resets before the answer, when its bytes have left. */
const unanswered = (words) => async (client) => {
  client.send(words);
  await new Promise((resolve) => setImmediate(resolve));
  return true;
};

/** The server ends it. */
const ended = (word) => async (client) => {
  client.send(`${word}\n`);
  if (word === 'close') await client.expect('close\n');
  await client.expectEnd();
  return false;
};

async function whole(client) {
  client.send('big\n');
  const got = await client.read(BIG_LENGTH);
  if (got.length !== BIG_LENGTH || !got.subarray(-256).equals(BIG_START)) throw new Error(`${got.length} bytes for ${BIG_LENGTH}`);
  return false;
}

/** Takes a part of the answer, and resets. */
async function part(client) {
  client.send('big\n');
  await client.expect(BIG_START);
  return true;
}

/** Shuts down writing, and has the answers all the same. */
async function shutDown(client) {
  client.send('echo\npromised\n');
  client.end();
  await client.expect('echo\npromised\n');
  await client.expectEnd();
  return false;
}

const TALKS = [
  ...['echo', 'late', 'held', 'wake', 'promised', 'written', 'connect'].map(answered),
  ...['', 'half', 'echo\n'.repeat(50), 'late\n', 'held\n', 'wake\n', 'promised\n', 'written\n', 'connect\n', 'big\n', 'fail\n'].map(unanswered),
  ...['close', 'fail'].map(ended),
  whole, part, shutDown,
];

/** Clients, one after the other on each of a few lanes; and connections that stay, and are served throughout. */
export class Load {
  served = 0;
  #port;
  #staying;

  constructor(port, staying) {
    this.#port = port;
    this.#staying = staying;
  }

  static async of(port, staying = 16) {
    return new Load(port, await Promise.all(Array.from({ length: staying }, () => new Client(port).connected())));
  }

  get staying() {
    return this.#staying.length;
  }

  /** For so long, and until the last client has ended. */
  async run(milliseconds, lanes = 4) {
    const end = performance.now() + milliseconds;
    const starts = Array.from({ length: lanes }, (_, lane) => Math.ceil((lane * TALKS.length) / lanes));
    await Promise.all(starts.map((start) => this.#talk(start, end)));
  }

  async #talk(start, end) {
    for (let number = start; performance.now() < end; number += 1) {
      const client = await new Client(this.#port).connected();
      await client.leave(await TALKS[number % TALKS.length](client));
      this.served += 1;
    }
  }

  async serveThoseThatStay() {
    for (const client of this.#staying) {
      client.send('echo\n');
      await client.expect('echo\n');
    }
  }

  async close() {
    await Promise.all(this.#staying.map((client) => client.leave()));
  }
}
