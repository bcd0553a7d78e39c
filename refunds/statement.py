"""余额明细: each line of a buyer's balance in words, with the case or the order that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from ledger import statement
from ledger.posting import balance_account
from orders.models import Cancellation, Compensation
from payments.models import Payment
from refunds.models import Disbursement

#: By the first word of a posting's ref (``ledger.models.Posting``).
WORDS: dict[str, object] = {
    "credit": _("退款退至余额"),
    "penalty": _("店铺违约金"),
    "compensation": _("平台赔付"),
    "payment": _("余额付款"),
    "refund": _("余额付款的退款"),
    "refund_returned": _("退款更正"),
    "transfer": _("余额提现"),
    "transfer_back": _("提现退回"),
}


@dataclass(frozen=True)
class Row:
    """``refund_no`` or ``order_no`` is where to read on; ``about`` is the number that is shown."""

    what: str
    about: str
    refund_no: str
    order_no: str
    at: datetime
    amount_fen: int
    after_fen: int


@dataclass(frozen=True)
class Page:
    """``held_fen``: the balance, of the same moment as its lines."""

    held_fen: int
    rows: Sequence[Row]
    next_before: int
    is_first: bool


def page_of(user: User, *, before: str = "") -> Page:
    """One page of this buyer's. A mark that is none starts anew. Five queries, whatever the page holds."""
    mark = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else 0
    page = statement.of(balance_account(user.pk), before=mark)
    refs = [line.ref.split(":") for line in page.lines]
    orders = _orders(refs)
    cases = _cases(refs)
    rows = []
    for line, (kind, number, *_rest) in zip(page.lines, refs, strict=True):
        refund_no = number if kind == "credit" else cases.get(number, "")
        order_no = "" if refund_no else orders.get((kind, number), "")
        about = refund_no or order_no or (number if kind.startswith("transfer") else "")
        what = str(WORDS.get(kind, ""))
        rows.append(Row(what, about, refund_no, order_no, line.at, line.amount_fen, line.after_fen))
    return Page(page.held_fen, rows, page.next_before, is_first=not mark)


def _orders(refs: Iterable[Sequence[str]]) -> dict[tuple[str, str], str]:
    paid = [number for kind, number, *_rest in refs if kind == "payment"]
    penalties = [int(number) for kind, number, *_rest in refs if kind == "penalty"]
    given = [int(number) for kind, number, *_rest in refs if kind == "compensation"]
    found = {
        ("payment", number): order_no
        for number, order_no in Payment.objects.filter(payment_no__in=paid).values_list("payment_no", "order__order_no")
    }
    rows = Cancellation.objects.filter(pk__in=penalties).values_list("pk", "order__order_no")
    found |= {("penalty", str(key)): order_no for key, order_no in rows}
    compensated = Compensation.objects.filter(pk__in=given).values_list("pk", "order__order_no")
    return found | {("compensation", str(key)): order_no for key, order_no in compensated}


def _cases(refs: Iterable[Sequence[str]]) -> dict[str, str]:
    """{request number: its case}."""
    numbers = [number for kind, number, *_rest in refs if kind.startswith("refund")]
    rows = Disbursement.objects.filter(attempt__request_no__in=numbers)
    return dict(rows.values_list("attempt__request_no", "refund__refund_no"))
