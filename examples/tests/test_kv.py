"""kv: what clients of Redis rely on; where a Redis server is to be had, compared with its own answers."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
import redis

from harness import LIMIT, ROOT, Client, Example, Start, in_background, within_limit
from kv_client import MIB, ask, reply, request

# Each is sent to both servers, which have to answer the same.
SAME = """
PING|ping|PING hello|PING a b|ECHO hello|ECHO|ECHO a b
GET missing|SET a 1|GET a|GET|GET a b|SET a|set A upper|GET A|GET a
SET n 1 NX|SET n 2 NX|GET n|SET n 3 XX|GET n|SET m 1 XX|GET m|SET n 4 NX XX|SET n 5 XX NX|SET n 6 GET|SET o 1 GET|GET o
SET n 7 XX GET|SET p 1 XX GET|GET p|SET n 8 NX GET
SET e 1 EX 100|TTL e|SET e 1 PX 100400|TTL e|SET e 2 KEEPTTL|TTL e|SET e 3|TTL e|SET e 4 EX 100 XX|TTL e
SET e 1 EX|SET e 1 EX x|SET e 1 EX 0|SET e 1 EX -1|SET e 1 PX 0|SET e 1 EX 9223372036854775807|SET e 1 EX 1 PX 1
SET e 1 WHAT|SET e 1 EX 10 KEEPTTL|SET e 1 EX 9223372036854775808|GET e
INCR i|INCR i|DECR i|DECR i|DECR i|GET i|INCR|SET i x|INCR i|DECR i|SET i 9223372036854775807|INCR i|GET i|DECR i
SET i -9223372036854775808|DECR i|SET i 9223372036854775808|INCR i|SET i 01|INCR i|SET i +1|INCR i|SET i -0|INCR i
SET i -5|INCR i|SET i 1 EX 100|INCR i|TTL i|TTL missing|TTL
SET i 1|INCRBY i 41|DECRBY i 2|INCRBY i x|INCRBY i 9223372036854775807|DECRBY i -9223372036854775808
INCRBY i -41|INCRBY i|DECRBY i
SETNX i 1|SETNX j 1|GET j|SETEX j 100 2|TTL j|GET j|SETEX j 0 2|SETEX j x 2|SETEX j 1
DEL a|DEL a|DEL|SET a 1|SET b 2|DEL a b a missing|EXISTS a|SET a 1|EXISTS a|EXISTS a a missing|EXISTS
SET x 1|EXPIRE x 100|TTL x|EXPIRE missing 100|EXPIRE x y|EXPIRE x|EXPIRE x 9223372036854775807|TTL x|EXPIRE x 0|GET x
SET x 1|EXPIRE x -5|EXISTS x|SET x 1|PEXPIRE x 100400|TTL x|PERSIST x|PERSIST x|TTL x|PERSIST missing
SET x 1|PEXPIRE x -9223372036854775808|EXISTS x|SET x 1|EXPIRE x -9223372036854775|EXISTS x|EXPIRE x -9223372036854776
SET x 1|EXPIRE x 100 XX|EXPIRE x 100 GT|TTL x|EXPIRE x 100 LT|EXPIRE x 90 nx|EXPIRE x 90 gt|TTL x
EXPIRE x 90 LT XX|TTL x|EXPIRE x -1 GT|EXPIRE x -1 NX|EXPIRE x -1 LT|EXISTS x|EXPIRE missing 1 LT|EXPIRE x 1 what
EXPIRE x y what|PEXPIRE x y XX|EXPIRE x 1 NX XX|EXPIRE x 1 LT NX|EXPIRE x 1 GT LT|EXPIRE x 1 XX GT
MSET k1 1 k2 2|MGET k1 k2 k3 k1|MSET k1|MSET k1 1 k2|MGET|MSET k1 3 k1 4|GET k1|STRLEN k1|STRLEN none|TYPE k1|TYPE none
SELECT 0|SELECT x|CLIENT SETNAME me|CONFIG GET save|CONFIG GET appendonly|CONFIG GET none
FLUSHALL|DBSIZE|MSET a 1 b 2|DBSIZE|FLUSHALL ASYNC|DBSIZE|FLUSHALL WHAT|FLUSHALL SYNC x
KEYS *|KEYS|SET one 1|KEYS *|KEYS o?e
HELLO x|HELLO 4|HELLO 3 WHAT|CONFIG WHAT|GET missing|MGET missing|HELLO 2|GET missing
CLIENT SETNAME me|CLIENT GETNAME|CLIENT GETNAME x|CLIENT SETNAME|CLIENT SETNAME a b|CLIENT ID x|CLIENT WHAT
AUTH|AUTH x|AUTH default x|AUTH other x|AUTH a b c|HELLO 3 AUTH other x|HELLO 2 AUTH default|HELLO 2 SETNAME
HELLO 2 AUTH default x SETNAME you|CLIENT GETNAME|HELLO 2 SETNAME \x01|CLIENT GETNAME|HELLO 2 AUTH
FLUSHALL|SCAN 0|SET one 1|SCAN 0 COUNT 100|SCAN 0 MATCH t* COUNT 100|SCAN 0 MATCH o* COUNT 100 TYPE string|SCAN 0 TYPE hash
SCAN|SCAN x|SCAN 0x|SCAN +0 COUNT 100|SCAN 00 COUNT 100|SCAN 18446744073709551616
SCAN 0 COUNT x|SCAN 0 COUNT 0|SCAN 0 MATCH|SCAN 0 WHAT x|SCAN 0 COUNT 5 x
EXEC|DISCARD|MULTI|MULTI|SET t 1|INCR t|GET t|EXEC|GET t|EXEC|MULTI|EXEC|MULTI|SET t x|INCR t|MGET t none|EXEC
MULTI|FOO|SET t 5|PING|EXEC|GET t|MULTI|GET|EXEC|MULTI|SET t 7|DISCARD|GET t|MULTI|FOO|DISCARD|PING
MULTI|CLIENT WHAT|EXEC|MULTI|CLIENT ID x|EXEC|MULTI|CONFIG|EXEC|MULTI|CLIENT GETNAME|HELLO 9|EXEC|MULTI x|DISCARD x
EXEC x|MULTI|PING|EXEC x|EXEC|MULTI|EXEC x|PING|EXEC|MULTI|MULTI x|EXEC
WATCH|WATCH w|UNWATCH|UNWATCH x|WATCH w|SET w 1|MULTI|SET w 2|GET w|EXEC|GET w|MULTI|PING|EXEC|EXEC
WATCH w|GET w|MULTI|INCR w|EXEC|WATCH w w|INCR w|UNWATCH|MULTI|PING|EXEC|WATCH w|INCR w|MULTI|DISCARD|MULTI|PING|EXEC
MULTI|WATCH w|INCR w|UNWATCH|EXEC|MULTI|WATCH|EXEC|WATCH w|INCR w|MULTI|FOO|EXEC|MULTI|PING|EXEC
WATCH w|INCR w|EXEC|MULTI|EXEC|WATCH w|INCR w|EXEC x|MULTI|EXEC|WATCH w|INCR w|DISCARD|MULTI|EXEC
WATCH w|MULTI|INCR w|INCR w|EXEC
HELLO 3|WATCH w|INCR w|MULTI|PING|EXEC|MULTI|PING|GET none|EXEC|COMMAND INFO none get?x|HELLO 2|COMMAND INFO none get?x
COMMAND COUNT x|COMMAND WHAT|COMMAND DOCS none|COMMAND LIST x|CONFIG|CONFIG GET|CLIENT|command what|CLIENT WHAT x y
FOO|foo bar|FOO 'BAR' baz|VERYLONGCOMMANDNAMETHATISNONE a b c d e f g
""".replace("|", "\n").split("\n")


def test_the_answers_are_those_of_redis(client: Client, real: Client) -> None:
    for line in filter(None, SAME):
        words = line.split(" ")
        answers = [ask(server, *words) for server in (real, client)]
        # What they say of themselves is their own: the names of it are not.
        if words[0] == "HELLO" and answers[0][:1] in b"*%":
            answers = [b"".join(answer.split(b"\r\n")[:3]) for answer in answers]
        assert answers[0] == answers[1], line


PATTERNS = [
    *["*", "h?llo", "h*llo", "h[ae]llo", "h[^e]llo", "h[a-c]llo", "h[c-a]llo", "a\\*b", "*a*b*c*", "[\\]]", "[ab", "*a", "a", ""],
    *["**b", "a**", "[a-]", "[^a-b]*", "?", "??*", "*[a-c]", "\\a", "[a\\-c]", "*.b", "+", "(a|b)", "^a$", "*\n*", "[]a]", "h[^]"],
]
TEXTS = ["", "hello", "heeeello", "hallo", "hbllo", "hllo", "a*b", "aab", "xaxbxcx", "]", "b", "a", "ab", "-", "a.b", "aXb", "+"]
TEXTS += ["(a|b)", "^a$", "\n", "a\nb", "ca", "\\", "[", "^", "B"]


def test_patterns_fit_what_they_fit_in_redis(client: Client, real: Client) -> None:
    for server in (real, client):
        assert ask(server, "MSET", *[word for text in TEXTS for word in (text, 1)]) == b"+OK\r\n"
    for pattern in PATTERNS:
        fitting = [sorted(ask(server, "KEYS", pattern)[:-2].split(b"\r\n$")) for server in (real, client)]
        assert fitting[0] == fitting[1], pattern


def test_a_pattern_with_many_stars_takes_no_time(client: Client) -> None:
    client.ask(request("SET", "b" * 10_000, 1), b"+OK\r\n")
    for pattern in ("*a" * 30, "*a" * 30 + "b", "*b" * 30 + "a"):
        client.ask(request("KEYS", pattern), b"*0\r\n")


def fields(server: Client, version: int) -> list[bytes]:
    """What HELLO tells, without the values."""
    answer = ask(server, "HELLO", version)
    assert answer.startswith(b"*14\r\n" if version == 2 else b"%7\r\n")
    known = (b"server", b"version", b"proto", b"id", b"mode", b"role", b"modules")
    return [word for word in answer.split(b"\r\n") if word in known]


def test_hello_tells_what_redis_tells(client: Client, real: Client) -> None:
    for version in (3, 2):
        assert fields(client, version) == fields(real, version)


def test_a_client_has_a_number_of_its_own(kv: Example, client: Client) -> None:
    def number(of: Client) -> int:
        return int(ask(of, "CLIENT", "ID")[1:])

    assert number(client) == number(client)
    with kv.connect() as other:
        assert number(other) != number(client)
        told = b"$2\r\nid\r\n:%d\r\n" % number(other)
        assert told in ask(other, "HELLO", 2)


def test_scan_sees_what_is_there_all_the_time(start: Start) -> None:
    kv = start("kv", loops=4)
    with kv.connect() as client, kv.connect() as other:
        client.ask(request("MSET", *[word for number in range(2000) for word in (f"kept:{number}", number)]), b"+OK\r\n")
        cursor, seen, turns = b"0", [], 0
        while turns == 0 or cursor != b"0":
            other.send(request("SET", f"other:{turns}", 1) + request("DEL", f"other:{turns - 7}"))
            assert [reply(other)[:1], reply(other)[:1]] == [b"+", b":"]
            client.send(request("SCAN", cursor, "MATCH", "kept:*", "COUNT", 100))
            _, _, cursor, _, *rest = reply(client).split(b"\r\n")
            seen += rest[1::2]
            turns += 1
        assert turns > 5
        assert sorted(seen) == sorted(b"kept:%d" % number for number in range(2000))


CLIENTS = Path(__file__).resolve().parent / "clients"


def fine(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


@pytest.mark.parametrize("name", ["node_redis", "ioredis"])
def test_clients_of_node(kv: Example, name: str) -> None:
    fine("node", CLIENTS / "node" / f"{name}.mjs", str(kv.port))


@pytest.mark.skipif(shutil.which("go") is None, reason="there is no go")
def test_go_redis(kv: Example) -> None:
    program = ROOT / "target" / "examples" / "go-redis"
    build = ["go", "build", "-C", str(CLIENTS / "go"), "-o", str(program), "."]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    fine(program, str(kv.port))


def test_redis_py_as_it_comes(kv: Example) -> None:
    with redis.Redis(port=kv.port) as client:
        pipeline = client.pipeline()
        assert pipeline.set("a", 1).incr("a").get("a").execute() == [True, 2, b"2"]
        with pytest.raises(redis.ResponseError, match="not an integer"):
            client.pipeline().set("b", "x").incr("b").execute()
        with client.pipeline() as watching:
            watching.watch("a")
            client.set("a", 5)
            watching.multi()
            with pytest.raises(redis.WatchError):
                watching.incr("a").execute()
        assert client.client_id() > 0
        assert sorted(client.scan_iter(count=1)) == [b"a", b"b"]
        told = client.command()["mset"]
        assert (told["arity"], told["step_count"]) == (-3, 2)
        assert sorted(told["acl_categories"]) == ["@slow", "@string", "@write"]


def test_what_breaks_the_protocol_is_refused_as_by_redis(kv: Example, real: Client) -> None:
    address = real.socket.getpeername()
    wrong = [
        b"*1\r\n$-5\r\n",
        b"*1\r\n$x\r\n",
        b"*1\r\n$536870913\r\n",
        b"*2\r\n$4\r\nECHO\r\n$99999999999999999999\r\n",
        b"*1\r\n:5\r\n",
        b"*1\r\nPING\r\n",
        b"*x\r\n",
        b"*99999999999\r\n",
        b"x" * 70_000,
        request("PING") + b"*1\r\n!\r\n",
    ]
    for text in wrong:
        answers = []
        with Client(socket.socket(socket.AF_UNIX)) as theirs, kv.connect() as ours:
            theirs.socket.connect(address)
            for client in (theirs, ours):
                client.send(text)
                answers.append(client.rest())
        assert answers[0] == answers[1], text[:50]
        assert b"-ERR Protocol error: " in answers[1]


def test_a_line_may_not_be_too_long_however_it_comes(kv: Example) -> None:
    for rest in (b"", b"\r\n"):
        with kv.connect() as client:
            client.send(b"x" * 70_000 + rest)
            assert client.rest() == b"-ERR Protocol error: too big inline request\r\n"


def test_empty_requests_and_inline_ones(client: Client) -> None:
    requests = b"\r\n\r\n*0\r\n*-1\r\nPING\r\nset  key\tvalue \r\nGET key\nEXISTS key\r\n"
    client.ask(requests, b"+PONG\r\n+OK\r\n$5\r\nvalue\r\n:1\r\n")


def test_keys_and_values_are_bytes(client: Client) -> None:
    every = bytes(range(256))
    value = random.Random(1).randbytes(100_000)
    client.ask(request("SET", every, value), b"+OK\r\n")
    client.ask(request("GET", every), b"$100000\r\n" + value + b"\r\n")
    client.ask(request("SET", b"", b""), b"+OK\r\n")
    client.ask(request("GET", b""), b"$0\r\n\r\n")
    client.ask(request("KEYS", b"\0*"), b"*1\r\n$256\r\n" + every + b"\r\n")


def test_requests_may_be_cut_anywhere(client: Client) -> None:
    requests = request("SET", "key", b"1\r\n2") + b"GET key\r\n" + request("MGET", "key", "none", "key")
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    answer = b"+OK\r\n$4\r\n1\r\n2\r\n" + b"*3\r\n$4\r\n1\r\n2\r\n$-1\r\n$4\r\n1\r\n2\r\n"
    for byte in requests:
        client.send(bytes([byte]))
    assert client.read(len(answer)) == answer
    for _ in range(200):
        client.send(requests * 50)
        assert client.read(len(answer) * 50) == answer * 50


def test_a_pipeline_is_answered_in_order(client: Client) -> None:
    count = 20_000
    asker = in_background(lambda: client.send(b"".join(request("SET", f"k{n}", n) for n in range(count))))
    assert client.read(5 * count) == b"+OK\r\n" * count
    asker.join(LIMIT)
    asker = in_background(lambda: client.send(b"".join(request("GET", f"k{n}") for n in range(count))))
    for number in range(count):
        assert reply(client) == b"$%d\r\n%d\r\n" % (len(str(number)), number)
    asker.join(LIMIT)


def test_a_value_of_64_mebibytes_comes_back(client: Client) -> None:
    value = random.Random(2).randbytes(64 * MIB)
    sender = in_background(lambda: client.send(request("SET", "large", value) + request("GET", "large")))
    assert reply(client) == b"+OK\r\n"
    assert client.line() == f"${len(value)}\r"
    assert client.read(len(value)) == value
    sender.join(LIMIT)


def test_a_request_may_have_very_many_arguments(client: Client) -> None:
    count = 400_000
    words = [word for number in range(count) for word in (f"key:{number}", number)]
    sender = in_background(lambda: client.send(request("MSET", *words)))
    assert reply(client) == b"+OK\r\n"
    client.ask(request("DBSIZE"), b":%d\r\n" % count)
    sender.join(LIMIT)


def test_a_client_that_does_not_read_gets_all_of_it_in_the_end(kv: Example, client: Client) -> None:
    value = random.Random(3).randbytes(MIB)
    client.ask(request("SET", "v", value), b"+OK\r\n")
    client.ask(b"INCR n\r\n", b":1\r\n")
    # 200 MiB of replies to a few kilobytes of requests; the last one is cut.
    client.send((request("GET", "v") + b"INCR n\r\n") * 200 + b"ECHO e")
    client.send(b"nd\r\n")
    client.end()
    for number in range(200):
        assert client.line() == f"${MIB}\r"
        assert client.read(MIB + 2) == value + b"\r\n"
        assert client.line() == f":{number + 2}\r"
    assert client.rest() == b"$3\r\nend\r\n"
    assert kv.growth() < 60 * MIB


def test_a_small_request_does_not_ask_for_more_than_64_mebibytes(kv: Example, client: Client) -> None:
    value = random.Random(4).randbytes(MIB)
    client.ask(request("SET", "v", value), b"+OK\r\n")
    client.ask(request("MGET", *["v"] * 65), b"-ERR the values have more than 64 MiB together\r\n")
    assert kv.growth() < 60 * MIB
    client.ask(request("MGET", *["v"] * 64), b"*64\r\n" + (b"$%d\r\n%b\r\n" % (MIB, value)) * 64)


def test_values_expire_unseen_and_are_removed(client: Client) -> None:
    client.send(b"SET seen 1 PX 50\r\nSET kept 1\r\nSET longer 1 PX 50\r\nEXPIRE longer 1000\r\n")
    client.send(b"SET new 1 PX 50\r\nSET new 2\r\n")
    for number in range(1000):
        client.send(f"SET swept{number} 1 PX 50\r\n".encode())
    assert client.read(5 * 5 + 4 + 5000) == b"+OK\r\n" * 3 + b":1\r\n" + b"+OK\r\n" * 1002

    def size() -> str:
        client.send(b"DBSIZE\r\n")
        return client.line()

    within_limit(lambda: size() == ":3\r", "swept")
    client.send(b"INFO\r\n")
    assert "db0:keys=3,expires=1,avg_ttl=0\r\n" in reply(client).decode()
    client.ask(b"GET seen\r\nGET kept\r\nGET longer\r\nGET new\r\n", b"$-1\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n2\r\n")


def test_quit_answers_and_ends(client: Client) -> None:
    client.send(b"PING\r\nQUIT\r\nPING\r\n")
    assert client.rest() == b"+PONG\r\n+OK\r\n"


def test_counting_from_many_connections_loses_nothing(start: Start) -> None:
    kv = start("kv", loops=4)
    clients = [kv.connect() for _ in range(8)]
    for client in clients:
        client.send(b"INCR shared\r\nMSET a 1 b 1\r\nMGET a b\r\nDEL a b\r\n" * 500)
    for client in clients:
        for _ in range(500):
            assert reply(client)[:1] == b":"
            assert reply(client) == b"+OK\r\n"
            # Another client may have removed them, but both or neither.
            assert reply(client) in (b"*2\r\n$1\r\n1\r\n$1\r\n1\r\n", b"*2\r\n$-1\r\n$-1\r\n")
            assert reply(client) in (b":2\r\n", b":0\r\n")
    clients[0].ask(b"GET shared\r\n", b"$4\r\n4000\r\n")
    for client in clients:
        client.socket.close()


def test_redis_cli_and_benchmark(kv: Example) -> None:
    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True, input="")

    port = str(kv.port)
    assert run("redis-cli", "-p", port, "SET", "greeting", "hello there").stdout == "OK\n"
    assert run("redis-cli", "-p", port, "GET", "greeting").stdout == "hello there\n"
    assert run("redis-cli", "-p", port, "KEYS", "gr*").stdout == "greeting\n"
    assert run("redis-cli", "-p", port, "-3", "PING").stdout.endswith("PONG\n")
    tests = "ping,set,get,incr,mset"
    said = run("redis-benchmark", "-p", port, "-q", "-n", "5000", "-P", "16", "-r", "100", "-t", tests)
    lines = [line for line in said.stdout.replace("\r", "\n").splitlines() if "requests per second" in line]
    names = [line.split(":")[0] for line in lines]
    assert names == ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"]
    assert "WARN" not in said.stdout + said.stderr and "rror" not in said.stdout + said.stderr


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py(kv: Example, protocol: int) -> None:
    with redis.Redis(port=kv.port, client_name="me", socket_timeout=LIMIT, protocol=protocol) as client:
        assert client.set("a", b"\x00\xff", ex=100) is True
        assert client.get("a") == b"\x00\xff" and client.ttl("a") in (99, 100)
        assert client.mset({"b": 1, "c": 2}) and client.mget("b", "none", "c") == [b"1", None, b"2"]
        assert client.incr("b") == 2 and client.decr("b") == 1
        assert client.set("a", 1, nx=True) is None and client.setnx("a", 1) is False
        assert client.execute_command("SETEX", "d", 100, 1) and client.delete("d") == 1
        assert sorted(client.keys("*")) == [b"a", b"b", b"c"] and client.dbsize() == 3
        assert client.info()["redis_version"] == "7.0.0" and client.info()["db0"]["keys"] == 3
        with pytest.raises(redis.ResponseError, match="not an integer"):
            client.incr("a")
        pipeline = client.pipeline(transaction=False)
        for number in range(1000):
            pipeline.set(number, number).get(number)
        assert pipeline.execute()[1::2] == [str(number).encode() for number in range(1000)]
        assert client.flushall() and client.keys() == []


def test_it_ends_soon_with_clients_connected(start: Start) -> None:
    kv = start("kv")
    with kv.connect() as client:
        client.ask(b"PING\r\n", b"+PONG\r\n")
        kv.stop()
        assert client.rest() == b""
