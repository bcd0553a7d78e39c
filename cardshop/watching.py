"""认库: is this the database that we knew, and does it know all that we did? (F6, F7)

Beside the record of what was sent (``payments/sent.py``) lies a mark: which database it was (system identifier,
timeline, the database's own number) and how far it had come (``DatabaseMark``, counted up every few seconds, here
first and then in the file). A restored copy is behind its file; a promoted standby has another timeline; a dump loaded
elsewhere another identifier; a lost second lacks numbers that were sent. Any of it stops outgoing money, until a
recovery run has asked the channels. docs/decisions/0028-recovery.md.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from time import monotonic

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from cardshop.models import DatabaseMark, RecoveryFinding, RecoveryRun
from payments import outgoing, sent, transfers
from payments.sent import Sent
from shops import deposits

log = logging.getLogger(__name__)
EVERY_SECONDS = 5.0  # in one process
IDENTITY = """
    SELECT (SELECT system_identifier FROM pg_control_system())::text,
           substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8),
           (SELECT oid FROM pg_database WHERE datname = current_database())::text
"""
_looked: dict[str, float] = {}


@dataclass(frozen=True)
class Mark:
    """How the database stood when it was last seen."""

    system: str
    timeline: str
    database: str
    serial: int
    at: str


def before_sending(at: datetime) -> None:
    """Look, but not at every batch. Raises OSError where the mark cannot be read: then nothing is sent."""
    if settings.WATCH_DATABASE and monotonic() - _looked.get(str(settings.SENT_DIR), -EVERY_SECONDS) >= EVERY_SECONDS:
        look(at=at)


def look(*, at: datetime) -> str:
    """Compare, stop outgoing money if this is another database, else move the mark on. Returns the doubt."""
    if not settings.WATCH_DATABASE:
        return ""
    reason = doubt()
    if reason:
        notice(reason, at=at)
    elif not RecoveryRun.objects.filter(closed_at=None).exists():
        move_on(at=at)
    _looked[str(settings.SENT_DIR)] = monotonic()
    return reason


def doubt() -> str:
    """Why this is not the database that we knew; empty if it is. The file is read first: it is never ahead."""
    if known := read():
        now = identity()
        if (known.system, known.database) != (now[0], now[2]):
            return "数据库换过：与上次运行的不是同一个"
        if known.timeline != now[1]:
            return f"数据库切换过主备或恢复过：时间线 {known.timeline} → {now[1]}"
        serial = DatabaseMark.objects.filter(pk=1).values_list("serial", flat=True).first() or 0
        if serial < known.serial:
            return f"数据库回到了过去：水位 {serial}，{known.at} 时已是 {known.serial}"
    lost = [each.request_no for each in islice(unexplained(newest=True), 3)]
    return f"已发出的退款单号不在数据库里：{'、'.join(lost)}" if lost else ""


def notice(reason: str, *, at: datetime) -> RecoveryRun:
    """Stop outgoing money and open a recovery; one that is open begins anew only for another reason."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(20261123)")  # any number of workers notice it at once
        run = RecoveryRun.objects.filter(closed_at=None).first()
        if run is None:
            run = RecoveryRun.objects.create(reason=reason[:200], noticed_at=at)
            hold_what_goes_by_hand(before=at, at=at)
            log.critical("outgoing money is stopped, manage.py recover is needed: %s", reason)
    outgoing.stop_by_itself(reason=f"{reason[:120]}。须先运行恢复核对 manage.py recover", at=at)
    return run


def hold_what_goes_by_hand(*, before: datetime, at: datetime) -> None:
    """存疑: what the bank may have paid in the time that was lost, nobody pays or gives back before looking there."""
    transfers.hold_after_a_restore(before=before, at=at)
    deposits.drop_after_a_restore(before=before, at=at)


def move_on(*, at: datetime, is_new: bool = False) -> Mark:
    """Count up here, then outside."""
    mark, _ = DatabaseMark.objects.get_or_create(pk=1)
    DatabaseMark.objects.filter(pk=1).update(serial=F("serial") + 1)
    mark.refresh_from_db()
    row = Mark(*identity(), serial=mark.serial, at=f"{at:%Y-%m-%dT%H:%M:%S%z}")
    _write(row, is_new=is_new)
    return row


def identity() -> tuple[str, str, str]:
    """System identifier, timeline, the database's number: what a copy, a promotion or a new database changes."""
    with connection.cursor() as cursor:
        cursor.execute(IDENTITY)
        system, timeline, database = cursor.fetchone()
    return system, timeline, database


def here() -> str:
    """The same in one word, as a recovery run keeps it."""
    return "/".join(identity())


def read() -> Mark | None:
    """The mark outside; None before the first, or where the folder was lost."""
    try:
        return Mark(**json.loads(_path().read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise OSError(f"{_path()}: not a mark") from error


def last_seen() -> datetime | None:
    """When the database was last known to be whole."""
    mark = read()
    return datetime.fromisoformat(mark.at) if mark else None


def accept(*, at: datetime) -> Mark | None:
    """This database, as it is now, is the one that we know: a recovery run is over."""
    return move_on(at=at, is_new=True) if settings.WATCH_DATABASE else None


def unexplained(*, newest: bool = False) -> Iterator[Sent]:
    """Numbers that were sent, are not in the database, and no recovery run has told of."""
    for each in sent.missing(newest=newest):
        if not RecoveryFinding.objects.filter(number=each.request_no, is_open=False).exists():
            yield each


def _path() -> Path:
    return Path(settings.SENT_DIR) / "mark.json"


def _write(mark: Mark, *, is_new: bool) -> None:
    """Forward only: another worker may have been faster. ``is_new``: whatever stands there."""
    _path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = None if is_new else read()
    if known and known.serial >= mark.serial:
        return
    unfinished = _path().with_name(f"mark.{os.getpid()}.unfinished")
    with unfinished.open("w") as file:
        json.dump(asdict(mark), file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(_path())


__all__ = [
    "accept", "before_sending", "doubt", "here", "hold_what_goes_by_hand", "identity", "last_seen", "look", "notice",
    "unexplained",
]  # fmt: skip
