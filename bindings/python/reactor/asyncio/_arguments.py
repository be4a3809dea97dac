"""What asyncio's functions take, as URLs."""

from __future__ import annotations

import asyncio
import os
import socket
import typing

from reactor._errors import UnsupportedError

Host = typing.Union[str, typing.Sequence[str], None]
Path = typing.Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


def refuse_tls(ssl: object, **of_tls: object) -> None:
    """Raises for what needs TLS, which the engine does not have yet."""
    if ssl:
        raise UnsupportedError("ssl: this engine has no TLS yet; leave the argument out, or let a proxy do it")
    for name, value in of_tls.items():
        if value is not None:
            raise ValueError(f"{name} is only meaningful with ssl")


def refuse_without(urls: typing.Iterable[str], sock: socket.socket | None) -> None:
    """Raises unless there is something to use, and just one thing."""
    if sock is None and not urls:
        raise ValueError("Neither a URL nor host/port nor sock were specified")
    if sock is not None and urls:
        raise ValueError("a URL or host/port and sock can not be specified at the same time")


def expect_stream(sock: socket.socket) -> None:
    """Raises for a socket that is no stream."""
    if sock.type != socket.SOCK_STREAM:
        raise ValueError(f"A Stream Socket was expected, got {sock!r}")


def stream_url(url: object) -> str:
    """The URL, if that is what it is, and not one of datagrams."""
    if not isinstance(url, str):
        raise TypeError(f'a URL is a string, such as "tcp://127.0.0.1:5000", not {url!r}')
    if url[:3].lower() == "udp" and "://" in url:
        raise UnsupportedError(f"{url!r}: streams are served here, and this is UDP")
    return url


def datagram_url(url: object) -> str:
    """The URL, if that is what it is, and one of datagrams; without a scheme it becomes one."""
    if not isinstance(url, str):
        raise TypeError(f'a URL is a string, such as "udp://127.0.0.1:5000", not {url!r}')
    if "://" not in url:
        return f"udp://{url}"
    if url[:3].lower() != "udp":
        raise UnsupportedError(f"{url!r}: an endpoint of datagrams is UDP")
    return url


async def urls_to_listen(
    given: typing.Sequence[str | int | None], host: Host, port: int | str | None, family: int, flags: int
) -> list[str]:
    """The URLs among the positional arguments; or those of a host and a port, looked up as asyncio does it."""
    pair = len(given) == 2 and (given[1] is None or isinstance(given[1], int))
    if pair or (len(given) == 1 and given[0] is None):
        if host is not None or (port is not None and pair):
            raise TypeError("host and port were given twice")
        host, port, given = given[0], given[1] if pair else port, ()  # type: ignore[assignment]
    elif given and (host is not None or port is not None):
        raise ValueError("URLs and host/port can not be specified at the same time")
    if given:
        return [stream_url(url) for url in given]
    if host is None and port is None:
        return []
    hosts: typing.Iterable[str | None] = [host or None] if host is None or isinstance(host, str) else host
    urls: dict[str, None] = {}
    for one in hosts:
        for url in await _resolved(one, port or 0, family, flags):
            urls[url] = None
    return list(urls)


async def _resolved(host: str | None, port: int | str, family: int, flags: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=flags)
    urls = [url_of(kind, address) for kind, _, _, _, address in found if kind in (socket.AF_INET, socket.AF_INET6)]
    if not urls:
        raise OSError(f"getaddrinfo({host!r}) returned no address to listen at")
    return urls


def url_of(family: int, address: tuple[object, ...], scheme: str = "tcp") -> str:
    """An address of Python's sockets as a URL."""
    if family == socket.AF_INET:
        return f"{scheme}4://{address[0]}:{address[1]}"
    zone = f"%{address[3]}" if len(address) == 4 and address[3] and "%" not in str(address[0]) else ""
    return f"{scheme}6://[{address[0]}{zone}]:{address[1]}"


def url_of_path(path: Path) -> str:
    """A path, or an abstract name with its leading zero byte, as a URL."""
    name = os.fsencode(path)
    sign = "@" if name[:1] == b"\0" else ""
    plain = b"/-._~abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    text = "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in name.lstrip(b"\0" if sign else b""))
    return f"unix://{sign}{text}"
