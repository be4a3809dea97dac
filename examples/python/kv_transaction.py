"""MULTI and EXEC: commands that are kept, and carried out with nobody in between, or not at all if a key that WATCH named has
changed."""

from __future__ import annotations

from kv_commands import Client, command, end_transaction, every, execute
from kv_replies import OK, CommandError, encode, NullArray, Raw, Reply

MAX = 64 << 20
"""Bytes that the commands of a transaction may take, and the values of its replies."""
OVERHEAD = 64
"""What a command takes beside its bytes, and each argument."""
FLAGS = "noscript loading stale fast allow_busy"


class Transaction:
    """The commands since MULTI."""

    def __init__(self) -> None:
        self.commands: list[list[bytes]] = []
        self.held = 0
        self.is_spoilt = False
        """One of them could not be kept: none will be carried out."""

    def gather(self, args: list[bytes]) -> Reply:
        if self.is_spoilt:
            return "QUEUED"
        self.held += OVERHEAD + sum(len(argument) + OVERHEAD for argument in args)
        if self.held > MAX:
            self.spoil()
            raise CommandError("the transaction has more than 64 MiB")
        self.commands.append(args)
        return "QUEUED"

    def spoil(self) -> None:
        self.is_spoilt, self.commands = True, []


class Room:
    """The room for values in the replies: small commands can ask for one large value many times."""

    def __init__(self) -> None:
        self.left = MAX

    def fit(self, reply: Reply) -> Reply:
        if isinstance(reply, list):
            return [self.fit(part) for part in reply]
        if not isinstance(reply, bytes):
            return reply
        if len(reply) > self.left:
            return CommandError("the values have more than 64 MiB together")
        self.left -= len(reply)
        return reply


@command("multi", 1, FLAGS, "@fast @transaction", is_immediate=True)
def multi(client: Client, args: list[bytes]) -> Reply:
    if client.transaction is not None:
        raise CommandError("MULTI calls can not be nested")
    client.transaction = Transaction()
    return OK


@command("exec", 1, "noscript loading stale skip_slowlog", "@slow @transaction", is_immediate=True)
def exec_(client: Client, args: list[bytes]) -> Reply:
    transaction = client.transaction
    if transaction is None:
        raise CommandError("EXEC without MULTI")
    has_changed = client.store.has_changed(client.watch)
    end_transaction(client)
    if transaction.is_spoilt:
        raise CommandError("Transaction discarded because of previous errors.", "EXECABORT")
    if has_changed:
        return NullArray()
    room = Room()
    # Each as soon as it is there: one of them may change the version of the protocol.
    replies = [encode(room.fit(execute(client, args)), client.protocol) for args in transaction.commands]
    return Raw(b"*%d\r\n" % len(replies) + b"".join(replies))


@command("discard", 1, FLAGS, "@fast @transaction", is_immediate=True)
def discard(client: Client, args: list[bytes]) -> Reply:
    if client.transaction is None:
        raise CommandError("DISCARD without MULTI")
    end_transaction(client)
    return OK


@command("watch", -2, FLAGS, "@fast @transaction", every("RO"), is_immediate=True)
def watch(client: Client, args: list[bytes]) -> Reply:
    if client.transaction is not None:
        raise CommandError("WATCH inside MULTI is not allowed")
    for key in args[1:]:
        client.store.watch(key, client.watch)
    return OK


@command("unwatch", 1, FLAGS, "@fast @transaction")
def unwatch(client: Client, args: list[bytes]) -> Reply:
    client.store.unwatch(client.watch)
    return OK
