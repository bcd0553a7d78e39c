"""对账单的一生: wanted for each account and day, fetched, staged line by line, compared; again until it is there.

The row is the queue. A day is fetched from ``FROM_HOUR`` of the next one on, every half hour until the channel has it.
Lines go from the gateway's file into the database in batches, so that a bill of any length needs the same memory.
"""

from __future__ import annotations

import hashlib
import logging
import re
import tempfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import IO, Protocol

from django.db import connection, transaction
from django.db.models import F

import asking
import workqueue
from clock import SHANGHAI
from payments import channels
from payments.gateways.base import BillFlaw, BillKind, BillLine, BillState, GatewayError
from payments.models import ChannelAccount
from reconciliation import deadlines, matching
from reconciliation.models import Statement, StatementLine, StatementStatus

log = logging.getLogger(__name__)
SWEEP = "reconciliation.sweep"
FROM_HOUR = 10  # of the next day, in China: both channels promise their bills by then
AGAIN_AFTER = timedelta(minutes=30)
CATCH_UP_DAYS = 14  # that a standstill of ours may have lasted
LEASE = timedelta(minutes=30)  # a large bill takes its time, and nobody else's
BATCH = 250  # lines: a batch stands in memory, with their rows by column
MANY = 1000
S = StatementStatus


def want(day: date, *, at: datetime, accounts: Iterable[ChannelAccount] | None = None) -> int:
    """Let the bills of this day be fetched, all kinds of all accounts; returns how many are new."""
    chosen = list(accounts) if accounts is not None else [*channels.platform_accounts(), *_of_shops()]
    due = max(at, ready_from(day))
    rows = [
        Statement(account=account, kind=kind.value, day=day, created_at=at, next_due_at=due)
        for account in chosen
        for kind in BillKind
    ]
    before = Statement.objects.filter(day=day).count()
    Statement.objects.bulk_create(rows, ignore_conflicts=True)
    workqueue.ring(SWEEP)
    return Statement.objects.filter(day=day).count() - before


def want_again(day: date, *, at: datetime, account: ChannelAccount | None = None) -> int:
    """对账这一天: fetch and compare once more what is there; returns how many bills. Changes only what is known."""
    want(day, at=at, accounts=None if account is None else [account])
    rows = Statement.objects.filter(day=day, leased_until=None)
    if account is not None:
        rows = rows.filter(account=account)
    count = rows.update(status=S.WANTED, next_due_at=max(at, ready_from(day)), tries=0)
    workqueue.ring(SWEEP)
    return count


def want_each_day(*, at: datetime) -> None:
    """Yesterday's bills, and those of the days before that nobody wanted while we stood still."""
    yesterday = at.astimezone(SHANGHAI).date() - timedelta(days=1)
    last = Statement.objects.order_by("-day").values_list("day", flat=True).first() or yesterday - timedelta(days=1)
    first = max(last + timedelta(days=1), yesterday - timedelta(days=CATCH_UP_DAYS))
    while first <= yesterday:
        want(first, at=at)
        first += timedelta(days=1)


def ready_from(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(FROM_HOUR), SHANGHAI)


def sweep(*, at: datetime) -> int:
    """Take on one bill that is due; returns how many that was."""
    with transaction.atomic():
        rows = Statement.objects.select_related("account")
        claimed = workqueue.claim(rows, at=at, limit=1, lease=LEASE)
    for statement in claimed:
        try:
            _go_on(statement, at)
        except GatewayError as error:
            _later(statement, S.BROKEN if statement.status == S.BROKEN else S.WANTED, at, str(error))
        except Exception as error:
            log.exception("statement %s: could not be compared", statement.pk)
            _later(statement, S.BROKEN, at, f"对账出错：{type(error).__name__}，详见日志")
    return len(claimed)


def _of_shops() -> list[ChannelAccount]:
    return list(ChannelAccount.objects.exclude(shop=None).order_by("pk"))


def _go_on(statement: Statement, at: datetime) -> None:
    if statement.status not in {S.DOWNLOADED, S.MATCHED} and not _fetch(statement, at):
        return
    matching.compare(statement, at=at)
    workqueue.ring(SWEEP)


def _fetch(statement: Statement, at: datetime) -> bool:
    """Whether the bill is there now, with all its lines staged."""
    asking.demand_no_transaction()
    gateway, kind = channels.gateway(statement.account), BillKind(statement.kind)
    with tempfile.TemporaryFile() as bill:
        state = gateway.fetch_bill(kind, statement.day, bill)
        if state is BillState.NOT_YET:
            _later(statement, S.NOT_THERE_YET, at, "")
            return False
        statement.status = S.BROKEN  # until its last line is read
        stage(statement, gateway, kind, bill)
        statement.sha256 = _digest(bill)
    statement.status, statement.is_empty = S.DOWNLOADED, state is BillState.EMPTY
    statement.downloaded_at, statement.last_error, statement.tries = at, "", 0
    statement.save(update_fields=["status", "is_empty", "sha256", "downloaded_at", "last_error", "tries"])
    return True


def _later(statement: Statement, status: StatementStatus, at: datetime, error: str) -> None:
    rows = Statement.objects.filter(pk=statement.pk)
    if status == S.BROKEN:  # half of a bill is none
        StatementLine.objects.filter(statement=statement).delete()
    rows.update(
        status=status, next_due_at=at + AGAIN_AFTER, leased_until=None, tries=F("tries") + 1, last_error=error[:200]
    )
    if at >= deadlines.late_from(statement.day):
        matching.is_late(statement, at=at)
    why = f"没有取到账单（{error}）" if error else "渠道还没有出账"
    matching.tell_not_there(statement, f"{why}，{(at + AGAIN_AFTER).astimezone(SHANGHAI):%H:%M} 再取", at=at)


def prune(*, at: datetime) -> None:
    """Lines that no comparison looks at any more, bill by bill; the bills and their differences stay."""
    before = at.astimezone(SHANGHAI).date() - timedelta(days=StatementLine.KEPT_DAYS)
    old = Statement.objects.filter(day__lt=before, lines__isnull=False).order_by("pk")
    while (statement := old.first()) is not None:
        StatementLine.objects.filter(statement=statement).delete()


# --- staging ----------------------------------------------------------------------------------------------------------


class Reads(Protocol):
    """The half of a gateway that reads what it fetched."""

    def scan_bill(self, kind: BillKind, bill: IO[bytes]) -> Iterator[BillLine | BillFlaw]: ...


def stage(statement: Statement, gateway: Reads, kind: BillKind, bill: IO[bytes]) -> None:
    """Each batch is committed by itself, with how far it is: the page shows it. What was read before goes."""
    bill.seek(0)
    StatementLine.objects.filter(statement=statement).delete()
    found = gateway.scan_bill(kind, bill) if bill.read(1) else iter(())
    bill.seek(0)
    numbered = enumerate(found, start=1)
    statement.lines_read = statement.flaws = 0
    statement.totals_fit = True
    while batch := list(islice(numbered, BATCH)):
        statement.lines_read += len(batch)
        statement.flaws += sum(isinstance(each, BillFlaw) for _, each in batch)
        statement.totals_fit &= not any(isinstance(each, BillFlaw) and each.is_of_totals for _, each in batch)
        with transaction.atomic():
            _copy(_row(statement, number, each) for number, each in batch)
            statement.save(update_fields=["lines_read", "flaws", "totals_fit"])
    statement.save(update_fields=["lines_read", "flaws", "totals_fit"])
    if statement.lines_read > MANY:  # the planner has not seen them, and would look at each line for each line
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {StatementLine._meta.db_table}")


COLUMNS = (
    "statement_id", "line_number", "kind", "at", "amount_fen", "fee_fen", "payment_no", "request_no",
    "channel_transaction_id", "channel_refund_id", "move_no", "entry_no", "state", "refund_state", "detail", "numbers",
)  # fmt: skip


def _row(statement: Statement, number: int, each: BillLine | BillFlaw) -> tuple[object, ...]:
    if isinstance(each, BillFlaw):
        kind = StatementLine.TOTALS if each.is_of_totals else StatementLine.GARBLED
        midnight = datetime.combine(statement.day, time(), SHANGHAI)
        blank = ("",) * 8
        return (statement.pk, number, kind, midnight, 0, 0, *blank, each.detail[:200], _numbers_in(each.text))
    return (
        statement.pk, number, each.kind.value, each.at, each.amount_fen, each.fee_fen, each.payment_no[:64],
        each.request_no[:64], each.channel_transaction_id[:64], each.channel_refund_id[:130], each.move_no[:64],
        each.entry_no[:64], each.state[:40], each.refund_state.value if each.refund_state else "", "", "",
    )  # fmt: skip


def _numbers_in(text: str) -> str:
    """Numbers of payments and of the channel, by their look; nobody's name, account or telephone (I15)."""
    found = re.findall(r"(?<![0-9A-Za-z])(?:P[0-9A-HJKMNP-TV-Z]{16}(?:R\d{2})?|\d{16,40})(?![0-9A-Za-z])", text)
    return " ".join(dict.fromkeys(found))[:400]


def _copy(rows: Iterable[tuple[object, ...]]) -> None:
    with connection.cursor() as cursor:
        names = ", ".join(COLUMNS)
        cursor.copy_expert(f"COPY {StatementLine._meta.db_table} ({names}) FROM STDIN", _Feed(map(_text, rows)))


def _text(row: tuple[object, ...]) -> str:
    return "\t".join(_cell(value) for value in row) + "\n"


def _cell(value: object) -> str:
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return text.translate(_ESCAPES)


_ESCAPES = {ord("\\"): "\\\\", ord("\t"): "\\t", ord("\n"): "\\n", ord("\r"): "\\r", 0: ""}


class _Feed:
    """Rows as the file that COPY reads, a few at a time."""

    def __init__(self, rows: Iterator[str]) -> None:
        self._rows = rows

    def read(self, size: int = -1) -> str:
        return "".join(islice(self._rows, 100))

    def readline(self, size: int = -1) -> str:
        return next(self._rows, "")


def _digest(bill: IO[bytes]) -> str:
    bill.seek(0)
    return hashlib.file_digest(bill, "sha256").hexdigest()  # type: ignore[arg-type]
