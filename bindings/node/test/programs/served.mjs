// Echoes, the short way, and prints where; and when it stops.
import { serve } from 'reactor-engine';

const [deadline] = process.argv.slice(2);

await serve(
  {
    onTick: (server) => console.log(server.addresses[0]),
    onData: (conn, data) => void conn.write(data),
    onStopping: () => console.log('stopping'),
  },
  'tcp://127.0.0.1:0',
  deadline ? { loops: 1, stopDeadlineMs: Number(deadline) } : { loops: 1 },
);
