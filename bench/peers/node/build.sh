#!/bin/sh
# Makes target/bench/bin/node-net. There is nothing to build: all of it comes with Node.
set -eu
cd "$(dirname "$0")/../../.."
node --check bench/peers/node/server.mjs
mkdir -p target/bench/bin
cat >target/bench/bin/node-net <<'END'
#!/bin/sh
exec node "$(dirname "$0")/../../../bench/peers/node/server.mjs" "$@"
END
chmod +x target/bench/bin/node-net
