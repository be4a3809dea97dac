#!/usr/bin/env bash
# rloop 0.5.0 (CPython 3.11, Linux): `await server.serve_forever()` on a server that `create_server` has started already closes
# its listening socket, so nobody can connect any more. On asyncio of the same interpreter the server serves on.
#
# Seen:
#   asyncio: before serve_forever answered, during it answered
#   rloop: before serve_forever answered, during it refused
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rloop==0.5.0
cat >"$folder/look.py" <<'PYTHON'
import asyncio
import sys


class Greets(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(b"hello")


async def outcome(port):
    """What a client meets, in a process of its own: it shares nothing with the loop that serves."""
    client = (
        "import socket\n"
        "try:\n"
        f"    peer = socket.create_connection(('127.0.0.1', {port}), timeout=5)\n"
        "    print('answered' if peer.recv(5) == b'hello' else 'silent')\n"
        "except ConnectionRefusedError:\n"
        "    print('refused')\n"
    )
    process = await asyncio.to_thread(
        __import__("subprocess").run, [sys.executable, "-c", client], capture_output=True, text=True
    )
    return process.stdout.strip()


async def main(name):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Greets, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    before = await outcome(port)
    serving = asyncio.ensure_future(server.serve_forever())
    await asyncio.sleep(0.1)
    during = await outcome(port)
    serving.cancel()
    print(f"{name}: before serve_forever {before}, during it {during}", flush=True)


name = sys.argv[1]
if name == "rloop":
    import rloop

    loop = rloop.new_event_loop()
else:
    loop = asyncio.new_event_loop()
loop.run_until_complete(main(name))
PYTHON
for name in asyncio rloop; do "$folder/venv/bin/python" "$folder/look.py" "$name"; done >"$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'SEEN'
asyncio: before serve_forever answered, during it answered
rloop: before serve_forever answered, during it refused
SEEN
