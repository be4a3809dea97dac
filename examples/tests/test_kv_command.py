"""kv: COMMAND tells what Redis 7 tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import Client
from kv_client import ask, request

# The answers of Redis 7.0.15 in RESP3, sets with "~" in front, without the subcommands that kv does not have. What it
# does not have itself, client|setinfo, is as in Redis 7.2.
RECORDED: dict[str, list[Any]] = json.loads((Path(__file__).parent / "kv_commands.json").read_text())
SUBCOMMANDS = {told[0]: told for command in RECORDED.values() for told in command[9] if told != "~"}


def value(client: Client) -> Any:
    """The next reply."""
    line = client.line()[:-1]
    kind, rest = line[:1], line[1:]
    match kind:
        case "+":
            return rest
        case ":":
            return int(rest)
        case "$":
            return None if rest == "-1" else client.read(int(rest) + 2)[:-2].decode()
        case "_":
            return None
        case "*":
            return [value(client) for _ in range(int(rest))]
        case "~":
            return ["~", *(value(client) for _ in range(int(rest)))]
        case "%":
            return {value(client): value(client) for _ in range(int(rest))}
    raise AssertionError(line)


def in_resp2(told: Any) -> Any:
    """Sets and maps are arrays there."""
    if isinstance(told, dict):
        return [in_resp2(part) for pair in told.items() for part in pair]
    return [in_resp2(part) for part in told if part != "~"] if isinstance(told, list) else told


def info(client: Client, *names: str) -> list[Any]:
    client.send(request("COMMAND", "INFO", *names))
    answer = value(client)
    assert isinstance(answer, list)
    return answer


@pytest.mark.parametrize("protocol", [2, 3])
def test_command_info_has_the_recorded_values(client: Client, protocol: int) -> None:
    ask(client, "HELLO", protocol)
    every = RECORDED | SUBCOMMANDS
    for name, told in every.items():
        assert info(client, name) == [told if protocol == 3 else in_resp2(told)], name
    assert info(client, "MGet", "none", "Client|Id") == [*info(client, "mget"), None, *info(client, "client|id")]
    assert info(client, "get|", "get|x", "client|", "client|none", "client|id|x", "|", "") == [None] * 7


def test_command_tells_of_all(client: Client) -> None:
    ask(client, "HELLO", 3)
    for asked in (["COMMAND"], ["COMMAND", "INFO"]):
        client.send(request(*asked))
        assert {told[0]: told for told in value(client)} == RECORDED
    assert ask(client, "COMMAND", "COUNT") == b":%d\r\n" % len(RECORDED)
    client.send(request("COMMAND", "LIST"))
    assert sorted(value(client)) == sorted(RECORDED | SUBCOMMANDS)


def test_the_record_is_what_redis_7_0_tells(real: Client) -> None:
    if b"redis_version:7.0." not in ask(real, "INFO", "server"):
        pytest.skip("another Redis is installed")
    ask(real, "HELLO", 3)
    for name, told in (RECORDED | SUBCOMMANDS).items():
        (answer,) = info(real, name)
        if name == "client|setinfo":
            assert answer is None
            continue
        ours = [subcommand for subcommand in told[9] if subcommand[0] != "client|setinfo"]
        theirs = [subcommand for subcommand in answer[9] if subcommand[0] in ["~", *SUBCOMMANDS]]
        assert answer[:9] == told[:9] and sorted(theirs) == sorted(ours), name
