"""账簿: the ledger for people: every entry of a time, and what each class of account holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from clock import SHANGHAI, midnight
from ledger import balances
from ledger.models import AccountKind, Entry, Posting, Side
from sheets import Cell, yuan_number

AT_ONCE = 1000  # postings
LONGEST = timedelta(days=366)


@dataclass(frozen=True)
class Class:
    """科目: what all accounts of one kind hold together, in fen."""

    kind: AccountKind
    debit_fen: int
    credit_fen: int

    @property
    def debit_balance_fen(self) -> int:
        return max(0, self.debit_fen - self.credit_fen)

    @property
    def credit_balance_fen(self) -> int:
        return max(0, self.credit_fen - self.debit_fen)


def trial_balance() -> list[Class]:
    """试算平衡, in the order of the chart; both sides of all together are the same. One query, at any age."""
    with connection.cursor() as cursor:
        cursor.execute(balances.BY_KIND)
        found = {kind: (int(debit), int(credit)) for kind, debit, credit in cursor.fetchall()}
    return [Class(kind, *found[kind]) for kind in AccountKind if kind in found]


def entries(first: date, last: date, account: str = "") -> Iterator[Sequence[Cell]]:
    """分录 of these days in Shanghai, a row each, heads first; of one account alone if it is named.

    Read in pieces of ``AT_ONCE``, by the time they were posted at.
    """
    yield [_("时间"), _("凭据"), _("冲销"), _("分录"), _("账户"), _("科目"), _("借方（元）"), _("贷方（元）")]
    start, end = midnight(first), midnight(last + timedelta(days=1))
    for piece in _of_account(account, start, end) if account else _of_all(start, end):
        for entry in piece:
            yield _row(entry, entry.posting)


def _row(entry: Entry, posting: Posting) -> Sequence[Cell]:
    amount = yuan_number(entry.amount_fen)
    is_debit = entry.side == Side.DEBIT
    return [
        timezone.localtime(posting.posted_at, SHANGHAI), posting.ref, posting.reverses.ref if posting.reverses else "",
        entry.pk, entry.account.code, str(AccountKind(entry.account.kind).label),
        amount if is_debit else None, None if is_debit else amount,
    ]  # fmt: skip


def _of_all(start: datetime, end: datetime) -> Iterator[list[Entry]]:
    last: Posting | None = None
    while True:
        found = Posting.objects.filter(posted_at__gte=last.posted_at if last else start, posted_at__lt=end)
        if last:
            found = found.filter(Q(posted_at__gt=last.posted_at) | Q(pk__gt=last.pk))
        postings = {row.pk: row for row in found.order_by("posted_at", "pk").select_related("reverses")[:AT_ONCE]}
        if not postings:
            return
        order = list(postings)
        rows = Entry.objects.filter(posting__in=order).select_related("account")
        for row in rows:
            row.posting = postings[row.posting_id]
        yield sorted(rows, key=lambda row: (row.posting.posted_at, row.posting_id, row.pk))
        last = postings[order[-1]]


def _of_account(account: str, start: datetime, end: datetime) -> Iterator[list[Entry]]:
    rows = Entry.objects.filter(account__code=account, posting__posted_at__gte=start, posting__posted_at__lt=end)
    rows, last = rows.select_related("account", "posting__reverses").order_by("pk"), 0
    while piece := list(rows.filter(pk__gt=last)[:AT_ONCE]):
        yield piece
        last = piece[-1].pk
