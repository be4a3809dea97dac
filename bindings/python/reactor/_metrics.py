"""What a server, or one of its loops, did so far."""

from __future__ import annotations

import dataclasses

from ._native import Histogram
from ._types import CloseReason


@dataclasses.dataclass(frozen=True)
class Metrics:
    """What a loop, or all loops of a server together, did since the start. Counters only grow; `connections` and `queued_bytes`
    say how it is now. Numbers are read one after the other while the loops go on, so two of them may be some events apart.
    """

    accepted: int
    """Connections accepted from listeners."""
    connected: int
    """Outgoing connections established."""
    enrolled: int
    """Connections taken over by their descriptor."""
    refused_by_total: int
    """Connections refused because the server held `max_connections`."""
    refused_by_address: int
    """Connections refused because their address held as many as one address may."""
    accept_errors: int
    """Calls to accept that failed, other than for want of a waiting connection."""
    bytes_read: int
    """Bytes received from streams and in datagrams."""
    bytes_written: int
    """Bytes that the kernel took, of streams and of datagrams."""
    messages_read: int
    """Calls of `on_data`; with `on_frames`, `on_command` or `on_commands` the frames and commands that these were told."""
    messages_written: int
    """Writes by the user that were accepted."""
    datagrams_read: int
    """Datagrams received."""
    datagrams_written: int
    """Datagrams that the kernel took."""
    datagrams_dropped: int
    """Datagrams given up unsent, because the queue was full or the kernel refused them."""
    datagrams_truncated: int
    """Datagrams received that did not fit the buffer and lost their end."""
    polls: int
    """System calls that waited for or asked after events. More than one in a turn: the loop looked before it slept."""
    reads: int
    """System calls that read, successful or not."""
    writes: int
    """System calls that wrote, successful or not."""
    accepts: int
    """System calls that accepted, successful or not."""
    other_calls: int
    """System calls of any other kind that the engine made while it ran."""
    wakeups: int
    """Times that another thread woke the loop: one, however many wakes came together."""
    turns: int
    """Turns of the loop."""
    timers_fired: int
    """Timers that fired, time-outs included."""
    callback_nanos_sampled: int
    """Nanoseconds that the sampled turns took from the poller's return until their callbacks had returned: what is read in
    between is included, what is sent at the end is not."""
    turns_sampled: int
    """Turns whose time in callbacks was measured."""
    linger_expired: int
    """Closed connections that the linger limit ended, before the peer did."""
    reads_paused_by_budget: int
    """Always 0, for programs that read it: nobody waits for the byte budget, as those who hold too much are closed."""
    connections: int
    """Connections that are open now."""
    queued_bytes: int
    """Bytes of output that wait to be sent now."""
    closed: dict[CloseReason, int]
    """Connections that ended, by reason; without those reasons for which none did. Failed outgoing connections count."""
    delay: Histogram
    """Delays from ready to handled: from the moment the poller reported a connection to the call of its handler, in the turns
    that were sampled."""

    @property
    def closed_total(self) -> int:
        """Connections that ended, for any reason."""
        return sum(self.closed.values())
