#!/bin/sh
# Makes target/bench/bin/asyncio and target/bench/bin/uvloop, which run in the virtual environment target/bench/venv.
set -eu
cd "$(dirname "$0")/../../.."
venv=target/bench/venv
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement bench/requirements.txt
mkdir -p target/bench/bin
for system in asyncio uvloop; do
    cat >"target/bench/bin/$system" <<END
#!/bin/sh
root=\$(dirname "\$0")/../../..
exec "\$root/$venv/bin/python" "\$root/bench/peers/python/server.py" $system "\$@"
END
    chmod +x "target/bench/bin/$system"
done
