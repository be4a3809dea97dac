#!/bin/sh
# Builds target/bench/netty/netty.jar, and target/bench/bin/netty, which runs it.
set -eu
cd "$(dirname "$0")"
mvn --batch-mode --quiet package
cd ../../..
mkdir -p target/bench/bin
cat >target/bench/bin/netty <<'END'
#!/bin/sh
exec java -jar "$(dirname "$0")/../netty/netty.jar" "$@"
END
chmod +x target/bench/bin/netty
