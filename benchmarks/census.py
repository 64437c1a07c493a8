"""What the processes of a server hold: memory, threads, file descriptors."""

from dataclasses import dataclass
from typing import Any

import psutil

from pxt_flight.registration import Server

_MIB = 1 << 20


@dataclass
class Census:
    """The supervisor and its planes together; Postgres is not ours.

    Attributes:
        memory: bytes of their resident sets; what they share is counted for each.
        threads: theirs.
        files: descriptors, connections included.
    """

    memory: int
    threads: int
    files: int

    def raise_to(self, other: "Census") -> None:
        """The larger of each figure."""
        self.memory, self.threads = max(self.memory, other.memory), max(self.threads, other.threads)
        self.files = max(self.files, other.files)

    def line(self, when: str) -> dict[str, Any]:
        """As a line of a report."""
        return {"when": when, "memory_mib": round(self.memory / _MIB), "threads": self.threads, "files": self.files}


def counted(server: Server) -> Census:
    """The processes of a server as they are now."""
    processes = [psutil.Process(identity.pid) for identity in (server, *server.planes.values())]
    return Census(
        sum(process.memory_info().rss for process in processes),
        sum(process.num_threads() for process in processes),
        sum(process.num_fds() for process in processes),
    )
