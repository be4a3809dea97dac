// Ours in Node, as a user would write it: `server.mjs MODE KIND URL`, with MODE `threads` or `inline`, and KIND:
//
// echo: every byte is sent back.
// frames: messages of a length of four bytes, the highest first, and a body of as many bytes. A callback and a write for each.
import { Server } from '../../../bindings/node/lib/index.js';

const KINDS = { echo: '', frames: `?framing=length:4,strip=0,max_frame=${4 + (4 << 20)}` };

const [mode, kind, url] = process.argv.slice(2);
if (url === undefined || !Object.hasOwn(KINDS, kind)) {
  console.error(`usage: server.mjs {threads|inline} {${Object.keys(KINDS).join('|')}} URL`);
  process.exit(2);
}
const server = new Server({ onData: (conn, data) => void conn.write(data) }, { mode, loops: 1 });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.stop());
console.log(`listening on ${server.listen(url + KINDS[kind])}`);
await server.run({ handleSignals: false });
