"""How a command is carried out, and what can be wrong with it, in the words of Redis."""

from __future__ import annotations

import dataclasses
import re
import typing

from kv_replies import CommandError, Reply, encode
from kv_store import Store, Watch

if typing.TYPE_CHECKING:
    from kv_transaction import Transaction

SYNTAX = "syntax error"
NUMBER = re.compile(rb"0|-?[1-9][0-9]{0,18}")
"""As Redis takes it: no plus sign, no spaces, no leading zeroes."""
MIN, MAX = -(1 << 63), (1 << 63) - 1


class Client:
    """What a connection remembers."""

    def __init__(self, store: Store, id: int) -> None:
        self.store = store
        self.id = id
        self.name = b""
        self.protocol = 2
        self.transaction: Transaction | None = None
        self.watch = Watch()
        self.is_over = False
        """Nothing may follow."""
        self.commands: typing.Iterator[typing.List[bytes]] = iter(())
        """Those of the last read that are not carried out yet."""
        self.waits = False
        """They wait until it has read what is queued for it."""


Run = typing.Callable[[Client, typing.List[bytes]], Reply]
"""Carries a command out. It is given all of its arguments, the name of the command being the first."""


@dataclasses.dataclass(frozen=True)
class Keys:
    """Where keys stand among the arguments, and what becomes of them."""

    flags: str = ""
    first: int = 0
    """0 if there are none."""
    last: int = 0
    """Counted from the end if negative."""
    step: int = 0
    notes: str = ""


def one(flags: str, notes: str = "") -> Keys:
    return Keys(flags, 1, 1, 1, notes)


def every(flags: str, step: int = 1) -> Keys:
    return Keys(flags, 1, -1, step)


@dataclasses.dataclass(frozen=True)
class Command:
    """What Redis 7 tells of a command, in its words, with blanks between; and what carries it out."""

    name: str
    """That of a subcommand is like "client|id"."""
    arity: int
    """The number of arguments, all names included; if negative, the least number."""
    flags: str
    categories: str
    """Of access control lists."""
    keys: Keys
    tips: str
    run: Run
    is_immediate: bool
    """It is carried out at once, also behind MULTI."""
    subcommands: dict[bytes, Command] = dataclasses.field(default_factory=dict)


COMMANDS: dict[bytes, Command] = {}
"""By their names in capitals, as most programs write them; subcommands, too."""


def command(
    name: str,
    arity: int,
    flags: str,
    categories: str,
    keys: Keys = Keys(),
    tips: str = "",
    is_immediate: bool = False,
) -> typing.Callable[[Run], Run]:
    """Makes a function a command, or the subcommand of one that was made before."""

    def add(run: Run) -> Run:
        parent, _, own_name = name.rpartition("|")
        commands = COMMANDS[parent.upper().encode()].subcommands if parent else COMMANDS
        made = Command(name, arity, flags, categories, keys, tips, run, is_immediate)
        commands[own_name.upper().encode()] = made
        return run

    return add


def answer(client: Client, enough: int) -> bytes:
    """Carries out what the client has asked for until the replies are that many bytes, or more by one; empty at the end."""
    replies, size = [], 0
    for args in client.commands:
        reply = encode(execute(client, args), client.protocol)
        replies.append(reply)
        size += len(reply)
        if size >= enough or client.is_over:
            break
    return b"".join(replies)


def execute(client: Client, args: list[bytes]) -> Reply:
    """Carries a command out, or keeps it for EXEC."""
    transaction = client.transaction
    try:
        asked = find(args)
    except CommandError as error:
        if args[0].lower() == b"exec":
            end_transaction(client)
            return CommandError(f"Transaction discarded because of: {str(error)[4:]}", "EXECABORT")
        if transaction is not None:
            transaction.spoil()
        return error
    try:
        if transaction is not None and not asked.is_immediate:
            return transaction.gather(args)
        return asked.run(client, args)
    except CommandError as error:
        return error


def find(args: list[bytes]) -> Command:
    """The command or subcommand that is asked for."""
    found = COMMANDS.get(args[0]) or COMMANDS.get(args[0].upper())
    if found is None:
        raise unknown(args)
    if found.subcommands and len(args) > 1:
        found = found.subcommands.get(args[1].upper())
        if found is None:
            raise unknown_subcommand(args)
    if len(args) != found.arity and (found.arity > 0 or len(args) < -found.arity):
        raise wrong_number(found.name)
    return found


def end_transaction(client: Client) -> None:
    """Ends it, and what was watched for it."""
    client.transaction = None
    client.store.unwatch(client.watch)


# ---- what can be wrong ----


def text(argument: bytes) -> str:
    """An argument, to be quoted as it came."""
    return argument.decode(errors="surrogateescape")


def unknown(args: list[bytes]) -> CommandError:
    """Quotes at most 128 bytes of the name and about as many of the arguments."""
    beginning = b""
    for argument in args[1:]:
        if len(beginning) >= 128:
            break
        beginning += b"'%b' " % argument[: 128 - len(beginning)]
    return CommandError(f"unknown command '{text(args[0][:128])}', with args beginning with: {text(beginning)}")


def unknown_subcommand(args: list[bytes]) -> CommandError:
    return CommandError(f"unknown subcommand '{text(args[1][:128])}'. Try {text(args[0].upper())} HELP.")


def wrong_number(name: str) -> CommandError:
    return CommandError(f"wrong number of arguments for '{name}' command")


def invalid_expire(name: str) -> CommandError:
    return CommandError(f"invalid expire time in '{name}' command")


def integer(argument: bytes) -> int:
    if NUMBER.fullmatch(argument):
        value = int(argument)
        if MIN <= value <= MAX:
            return value
    raise CommandError("value is not an integer or out of range")
