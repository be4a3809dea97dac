"""The commands about the connection and the server."""

from __future__ import annotations

import os
import re

from kv_commands import COMMANDS, SYNTAX, Client, Command, Keys, command, integer, text, unknown_subcommand, wrong_number
from kv_glob import matcher
from kv_replies import OK, CommandError, Reply, Set

VERSION = b"7.0.0"
"""The Redis whose ways these are."""
SETTINGS = {b"appendonly": b"no", b"databases": b"1", b"maxmemory": b"0", b"save": b""}
"""Clients ask for these when they connect."""
GREETING = "noscript loading stale fast no_auth allow_busy"
LOADING = "noscript loading stale"
UNORDERED = "nondeterministic_output_order"
DEFAULT_USER = b"default"
"""The only one, whom any password lets in."""
WRONG_PASS = CommandError("invalid username-password pair or user is disabled.", "WRONGPASS")
NAME = re.compile(rb"[!-~]{0,1024}")


@command(
    "ping", -1, "fast", "@fast @connection", tips="request_policy:all_shards response_policy:all_succeeded"
)
def ping(client: Client, args: list[bytes]) -> Reply:
    if len(args) > 2:
        raise wrong_number("ping")
    return args[1] if len(args) == 2 else "PONG"


@command("echo", 2, "loading stale fast", "@fast @connection")
def echo(client: Client, args: list[bytes]) -> Reply:
    return args[1]


@command("quit", -1, GREETING, "@fast @connection", is_immediate=True)
def quit_(client: Client, args: list[bytes]) -> Reply:
    client.is_over = True
    return OK


@command("select", 2, "loading stale fast", "@fast @connection")
def select(client: Client, args: list[bytes]) -> Reply:
    if integer(args[1]) != 0:
        raise CommandError("DB index is out of range")
    return OK


@command("auth", -2, GREETING, "@fast @connection")
def auth(client: Client, args: list[bytes]) -> Reply:
    if len(args) == 2:
        raise CommandError(
            "AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?"
        )
    if len(args) > 3:
        raise CommandError(SYNTAX)
    if args[1] != DEFAULT_USER:
        raise WRONG_PASS
    return OK


def checked(name: bytes) -> bytes:
    if not NAME.fullmatch(name):
        raise CommandError("Client names cannot contain spaces, newlines or special characters.")
    return name


@command("hello", -1, GREETING, "@fast @connection")
def hello(client: Client, args: list[bytes]) -> Reply:
    """Chooses the version of the protocol, and may say who the client is."""
    protocol = client.protocol
    if len(args) > 1:
        try:
            protocol = integer(args[1])
        except CommandError:
            raise CommandError("Protocol version is not an integer or out of range") from None
        if protocol not in (2, 3):
            raise CommandError("unsupported protocol version", "NOPROTO")
    user, name, options = DEFAULT_USER, client.name, args[2:]
    while options:
        option = options[0].lower()
        if option == b"auth" and len(options) > 2:
            user, options = options[1], options[3:]
        elif option == b"setname" and len(options) > 1:
            name, options = options[1], options[2:]
        else:
            raise CommandError(f"Syntax error in HELLO option '{text(options[0])}'")
    if user != DEFAULT_USER:
        raise WRONG_PASS
    client.name, client.protocol = checked(name), protocol
    return {
        b"server": b"redis",
        b"version": VERSION,
        b"proto": protocol,
        b"id": client.id,
        b"mode": b"standalone",
        b"role": b"master",
        b"modules": [],
    }


def only_subcommands(client: Client, args: list[bytes]) -> Reply:
    raise unknown_subcommand(args)


command("client", -2, "", "@slow")(only_subcommands)
command("config", -2, "", "@slow")(only_subcommands)


@command("client|id", 2, LOADING, "@slow @connection")
def client_id(client: Client, args: list[bytes]) -> Reply:
    return client.id


@command("client|setname", 3, LOADING, "@slow @connection")
def client_setname(client: Client, args: list[bytes]) -> Reply:
    client.name = checked(args[2])
    return OK


@command("client|getname", 2, LOADING, "@slow @connection")
def client_getname(client: Client, args: list[bytes]) -> Reply:
    return client.name or None


@command("client|setinfo", 4, LOADING, "@slow @connection")
def client_setinfo(client: Client, args: list[bytes]) -> Reply:
    return OK


@command("config|get", -3, f"admin {LOADING}", "@admin @slow @dangerous")
def config_get(client: Client, args: list[bytes]) -> Reply:
    patterns = [matcher(pattern.lower()) for pattern in args[2:]]
    return {name: value for name, value in SETTINGS.items() if any(fits(name) for fits in patterns)}


@command(
    "info", -1, "loading stale", "@slow @dangerous",
    tips="nondeterministic_output request_policy:all_shards response_policy:special",
)
def info(client: Client, args: list[bytes]) -> Reply:
    keys = list(client.store.keys())
    expiring = sum(key in client.store.expires for key in keys)
    lines = [b"# Server", b"redis_version:%b" % VERSION, b"redis_mode:standalone"]
    lines += [b"process_id:%d" % os.getpid(), b"uptime_in_seconds:%d" % (client.store.now() // 1000)]
    lines += [b"", b"# Keyspace"]
    if keys:
        lines.append(b"db0:keys=%d,expires=%d,avg_ttl=0" % (len(keys), expiring))
    return b"\r\n".join([*lines, b""])


# ---- COMMAND: what there is, for clients that look where keys stand ----


def describe(told: Command) -> Reply:
    keys = told.keys
    return [
        told.name.encode(),
        told.arity,
        Set(told.flags.split()),
        keys.first,
        keys.last,
        keys.step,
        Set(told.categories.split()),
        Set(tip.encode() for tip in told.tips.split()),
        Set([specification(keys)] if keys.first else []),
        [describe(subcommand) for subcommand in told.subcommands.values()] or Set(),
    ]


def specification(keys: Keys) -> Reply:
    """Where to begin, and how to go on from there."""
    # The last one is counted from the first, or from the end if negative.
    last = keys.last if keys.last < 0 else keys.last - keys.first
    notes: dict[bytes, Reply] = {b"notes": keys.notes.encode()} if keys.notes else {}
    return {
        **notes,
        b"flags": Set(keys.flags.split()),
        b"begin_search": {b"type": b"index", b"spec": {b"index": keys.first}},
        b"find_keys": {b"type": b"range", b"spec": {b"lastkey": last, b"keystep": keys.step, b"limit": 0}},
    }


@command("command", -1, "loading stale", "@slow @connection", tips=UNORDERED)
def command_(client: Client, args: list[bytes]) -> Reply:
    return [describe(told) for told in COMMANDS.values()]


@command("command|info", -2, "loading stale", "@slow @connection", tips=UNORDERED)
def command_info(client: Client, args: list[bytes]) -> Reply:
    def named(name: bytes) -> Reply:
        parent, bar, own_name = name.upper().partition(b"|")
        found = COMMANDS.get(parent)
        if found and bar:
            found = found.subcommands.get(own_name)
        return describe(found) if found else None

    return [named(name) for name in args[2:]] if len(args) > 2 else command_(client, args)


@command("command|count", 2, "loading stale", "@slow @connection")
def command_count(client: Client, args: list[bytes]) -> Reply:
    return len(COMMANDS)


@command("command|list", -2, "loading stale", "@slow @connection", tips=UNORDERED)
def command_list(client: Client, args: list[bytes]) -> Reply:
    if len(args) > 2:
        raise CommandError(SYNTAX)
    every = [told for command in COMMANDS.values() for told in (command, *command.subcommands.values())]
    return [told.name.encode() for told in every]


@command("command|docs", -2, "loading stale", "@slow @connection", tips=UNORDERED)
def command_docs(client: Client, args: list[bytes]) -> Reply:
    """Nothing is known of any."""
    return {}
