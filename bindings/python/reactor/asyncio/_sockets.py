"""Sockets that belong to the engine, as Python's socket objects."""

from __future__ import annotations

import os
import socket
from asyncio.trsock import TransportSocket


def borrow(number: int | None) -> tuple[socket.socket, TransportSocket]:
    """A socket object for a descriptor of the engine's, whose owner detaches it before the engine closes that; and what users
    get of it. None: one that is closed."""
    if number is None:
        sock = socket.socket()
        sock.close()
    else:
        sock = socket.socket(fileno=number)
    return sock, TransportSocket(sock)


def copy_of(sock: socket.socket) -> int:
    """A descriptor for the same socket, which is the engine's to close."""
    return os.dup(sock.fileno())
