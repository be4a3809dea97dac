"""What the cases are written with: subjects, clients, and eyes on the process."""

from harness.client import HANG_GUARD, Client, pattern
from harness.gate import Gate
from harness.promises import needs, not_for, promises, several_loops
from harness.strace import Strace
from harness.subject import Subject, eventually

__all__ = [
    "HANG_GUARD",
    "Client",
    "Gate",
    "Strace",
    "Subject",
    "eventually",
    "needs",
    "not_for",
    "pattern",
    "promises",
    "several_loops",
]
