// Ours in Node, as a user would write it: `server.mjs MODE KIND URL`, with MODE `threads` or `inline`, and KIND:
//
// echo: every byte is sent back.
// udp: every datagram is sent back.
// frames: messages of a length of four bytes, the highest first, and a body of as many bytes. A callback and a write for each.
// answers: such messages, whose first four bytes say how long a body is to come back, of the byte behind them.
// kv: the commands of the peers' cache, and no others, cut by the engine. A callback and a write for each.
// broadcast: what anybody says goes to everybody.
// budget: frames, of a server that may hold so little that a few which are not finished exceed it.
import { Action, ErrorCode, Server, lengthField, resp } from '../../../bindings/node/lib/index.js';
import { obey } from '../../peers/node/cache.mjs';

const MAX_BODY = 4 << 20;
const MAX_COMMAND = 64 << 20;
const BUDGET = 16 << 20;
const FRAMING = lengthField({ width: 4, maxFrame: 4 + MAX_BODY });
const WITH_LENGTH = lengthField({ width: 4, strip: 0, maxFrame: 4 + MAX_BODY });

const echo = { onData: (conn, data) => void conn.write(data) };
const answers = {
  onData(conn, data) {
    const length = data.length > 4 ? data.readUInt32BE() : Infinity;
    if (length > MAX_BODY) return Action.Close;
    conn.writeFrame(Buffer.alloc(length, data[4]));
  },
};
const kv = { onCommand: (conn, args) => void conn.write(obey(args)) };

/** Sends what anybody says to everybody. Who does not read, and is behind by the hard limit, is closed. */
function broadcast() {
  const conns = new Set();
  const tell = (conn, data) => {
    try {
      conn.write(data);
    } catch (error) {
      if (error.code !== ErrorCode.Full && error.code !== ErrorCode.Closed) throw error;
    }
  };
  return {
    onOpen: (conn) => void conns.add(conn),
    onData(_, data) {
      for (const conn of conns) tell(conn, data);
    },
    onClose: (conn) => void conns.delete(conn),
  };
}

/** By kind: the handler, the options of the server and of its listener. */
const KINDS = {
  echo: [echo],
  udp: [echo],
  frames: [echo, {}, { framing: WITH_LENGTH }],
  answers: [answers, {}, { framing: FRAMING }],
  kv: [kv, {}, { framing: resp({ maxFrame: MAX_COMMAND }) }],
  broadcast: [broadcast()],
  budget: [echo, { byteBudget: BUDGET }, { framing: WITH_LENGTH }],
};

const [mode, kind, url] = process.argv.slice(2);
if (url === undefined || !Object.hasOwn(KINDS, kind)) {
  console.error(`usage: server.mjs {threads|inline} {${Object.keys(KINDS).join('|')}} URL`);
  process.exit(2);
}
const [handler, options, listening] = KINDS[kind];
const server = new Server(handler, { ...options, mode, loops: 1 });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.stop());
console.log(`listening on ${server.listen(url, listening)}`);
await server.run({ handleSignals: false });
