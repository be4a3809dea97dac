"""An echo server."""

import reactor


class Echo(reactor.Handler):
    def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        conn.write(data)


server = reactor.Server(Echo())
print("listening on", server.listen("tcp://:5000"))
server.run()
