"""发出记录: which request numbers have left us, in files outside the database.

A database that was restored, or a standby that lost its last second, has forgotten numbers that a channel has paid. So
each number is written down here, and on the disk, before it is sent for the first time: one append and one fsync for a
batch. ``missing`` says which of them the database does not know. Files are full at ``FULL_BYTES``; the newest
``KEPT`` stay.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from django.conf import settings

from payments import numbering
from payments.models import BALANCE, RefundAttempt

log = logging.getLogger(__name__)
FULL_BYTES = 8_000_000  # some 130,000 numbers
KEPT = 32
TAIL_BYTES = 20_000  # what is looked at when only the newest numbers matter
AT_ONCE = 1000

#: Looked at before anything is sent. Whoever finds that this is not the database we knew stops outgoing money.
CHECKS: list[Callable[[datetime], None]] = []


@dataclass(frozen=True)
class Sent:
    """One number that has left us, or was about to."""

    request_no: str
    amount_fen: int
    at: datetime

    @property
    def payment_no(self) -> str:
        return numbering.payment_no_of(self.request_no)

    @property
    def index(self) -> int:
        return numbering.index_of(self.request_no)


def check(at: datetime) -> None:
    """Let everybody look who wants to, before anything is sent."""
    for each in CHECKS:
        each(at)


def write(attempts: Sequence[RefundAttempt], *, at: datetime) -> None:
    """Write these numbers down, on the disk when it returns. Raises OSError: then nothing may be sent."""
    if not settings.WATCH_DATABASE:
        return
    rows = [row for row in attempts if row.payment.account.channel != BALANCE]  # what no network serves
    if rows:
        stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _append("".join(f"{row.request_no} {row.amount_fen} {stamp}\n" for row in rows).encode())


def missing(*, newest: bool = False) -> Iterator[Sent]:
    """Numbers that were written down and the database has not, or has for another amount: given out anew since.
    ``newest``: among the last few hundred alone."""
    lines = _newest_lines() if newest else _lines()
    while some := list(islice(lines, AT_ONCE)):
        numbers = [each.request_no for each in some]
        known = dict(RefundAttempt.objects.filter(request_no__in=numbers).values_list("request_no", "amount_fen"))
        yield from (each for each in some if known.get(each.request_no) != each.amount_fen)


def _append(data: bytes) -> None:
    folder = Path(settings.SENT_DIR)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = _current(folder)
    is_new = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if os.write(handle, data) != len(data):
            raise OSError(f"{path}: written in part")
        os.fsync(handle)
    finally:
        os.close(handle)
    if is_new:
        _sync_folder(folder)
        for old in _files(folder)[:-KEPT]:
            old.unlink(missing_ok=True)


def _current(folder: Path) -> Path:
    files = _files(folder)
    if not files:
        return folder / "sent-000001.log"
    if files[-1].stat().st_size < FULL_BYTES:
        return files[-1]
    return folder / f"sent-{int(files[-1].stem.partition('-')[2]) + 1:06d}.log"


def _sync_folder(folder: Path) -> None:
    """A new file's name is on the disk only when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("sent-*.log"))


def _lines() -> Iterator[Sent]:
    for path in _files(Path(settings.SENT_DIR)):
        with path.open("rb") as file:
            yield from _read(file)


def _newest_lines() -> Iterator[Sent]:
    for path in _files(Path(settings.SENT_DIR))[-2:]:
        with path.open("rb") as file:
            begins = file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = file.read().split(b"\n")
            yield from _read(lines[1:] if begins else lines)  # the first may be cut


def _read(lines: Iterable[bytes]) -> Iterator[Sent]:
    for line in lines:
        words = line.decode("ascii", "replace").split()
        try:
            yield Sent(words[0], int(words[1]), datetime.fromisoformat(words[2]).replace(tzinfo=UTC))
        except (IndexError, ValueError):  # a line that a full disk cut short
            continue


__all__ = ["CHECKS", "Sent", "check", "missing", "write"]
