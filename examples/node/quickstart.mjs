// An echo server.
import { Server } from 'reactor-engine';

const server = new Server({
  onData(conn, data) {
    conn.write(data);
  },
});

console.log(`listening on ${server.listen('tcp://:5000')}`);
await server.run();
