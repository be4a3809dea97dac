#!/usr/bin/env bash
# rloop 0.5.0 (CPython 3.11, Linux): each time an event loop ends, it closes the two descriptors by which it wakes once in its
# native part and once more as socket objects. Between the two the numbers are free: a descriptor that another thread (here: a
# callback of the interpreter's, which is called between the two) opens then is closed behind its owner's back. asyncio closes each once.
#
# Seen:
#   asyncio: what was opened meanwhile is open
#   rloop: what was opened meanwhile is closed
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rloop==0.5.0
cat >"$folder/look.py" <<'PYTHON'
import asyncio
import os
import sys
import warnings

if sys.argv[1] == "rloop":
    import rloop

    loop = rloop.new_event_loop()
else:
    loop = asyncio.new_event_loop()

opened = []


def opens(*_args, **_keywords):
    """What another thread would do: a warning of a socket that nobody closed is shown just before its second closing."""
    opened.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(2))


warnings.simplefilter("always")
warnings.showwarning = opens
loop.run_until_complete(asyncio.sleep(0.01))
loop.close()
if not opened:
    opens()


def is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


print(f"{sys.argv[1]}: what was opened meanwhile is {'open' if all(map(is_open, opened)) else 'closed'}")
PYTHON
for name in asyncio rloop; do "$folder/venv/bin/python" "$folder/look.py" "$name"; done >"$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'SEEN'
asyncio: what was opened meanwhile is open
rloop: what was opened meanwhile is closed
SEEN
