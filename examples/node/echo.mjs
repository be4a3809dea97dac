// Sends back every byte, and closes when the peer has closed its side and everything has been sent.
//
// node echo.mjs --listen URL [--listen URL]... [--loops N]
import { parseArgs } from 'node:util';

import { Server } from 'reactor-engine';

const handler = {
  onData(conn, data) {
    // A write above the high-water mark needs no care here: the engine stops reading from this connection until the
    // peer has caught up.
    conn.write(data);
  },
};

function options() {
  const { values } = parseArgs({ options: { listen: { type: 'string', multiple: true }, loops: { type: 'string' } } });
  const { listen: urls, loops = '0' } = values;
  if (!urls) throw new Error('--listen URL is missing');
  if (!/^\d{1,9}$/.test(loops)) throw new Error(`--loops takes a number, not "${loops}"`);
  return { urls, loops: Number(loops) };
}

async function main() {
  const { urls, loops } = options();
  const server = new Server(handler, { loops });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.stop());
  for (const url of urls) console.log(`listening on ${server.listen(url)}`);
  await server.run({ handleSignals: false });
}

main().catch((error) => {
  console.error(`echo: ${error.message.split('\n')[0]}`);
  process.exitCode = 1;
});
