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

/** The arguments, with "--flag -value" as "--flag=-value", which parseArgs wants. */
function args() {
  const joined = [];
  for (const arg of process.argv.slice(2)) {
    if (/^-[^-]/.test(arg) && /^--\w+$/.test(joined.at(-1))) joined.push(`${joined.pop()}=${arg}`);
    else joined.push(arg);
  }
  return joined;
}

function options() {
  const known = { listen: { type: 'string', multiple: true }, loops: { type: 'string' } };
  const { values } = parseArgs({ args: args(), options: known });
  const { listen: urls, loops = '0' } = values;
  if (!urls) throw new Error('--listen URL is missing');
  if (!/^\d{1,9}$/.test(loops)) throw new Error(`--loops takes a number, not ${JSON.stringify(loops)}`);
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
  console.error(`echo: ${error.message.replace(/\s*\n\s*/g, ' ')}`);
  process.exitCode = 1;
});
