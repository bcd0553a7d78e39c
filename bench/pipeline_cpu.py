"""Where processor time goes: what a process and all that it started have used so far (Linux)."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PARENT, USED = 1, (11, 12, 13, 14)  # own, and that of children that have ended, each of user and system


class Processes:
    """One process and its descendants, those that have ended too. A backend of PostgreSQL leads a group of its own, so
    groups do not tell."""

    def __init__(self, root: int) -> None:
        self._root = root

    def cpu_seconds(self) -> float:
        stats = _stats()
        children = defaultdict(list)
        for pid, stat in stats.items():
            children[int(stat[PARENT])].append(pid)
        family = [self._root]
        for pid in family:
            family += children[pid]
        return sum(int(stats[pid][index]) for pid in family if pid in stats for index in USED) / TICKS_PER_SECOND


def _stats() -> dict[int, list[str]]:
    """/proc/PID/stat of every process, from its state on: its name may hold blanks."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(path.parent.name)] = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
    return found
