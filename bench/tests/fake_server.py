"""A server that behaves as its first argument says: `fake_server.py {right|wrong|missing|broken} URL`."""

import os
import socketserver
import sys


class Echo(socketserver.BaseRequestHandler):
    flip = 0

    def handle(self) -> None:
        while data := self.request.recv(4096):
            self.request.sendall(bytes(byte ^ self.flip for byte in data))


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


def main() -> None:
    behaviour, url = sys.argv[1:]
    if behaviour == "missing":
        print("no such kind", file=sys.stderr)
        sys.exit(2)
    if behaviour == "broken":
        print(f"{os.getcwd()}/parts: out of order today", file=sys.stderr)
        sys.exit(1)
    assert url == "tcp://127.0.0.1:0", url
    Echo.flip = 1 if behaviour == "wrong" else 0
    with Server(("127.0.0.1", 0), Echo) as server:
        print(f"listening on tcp://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
