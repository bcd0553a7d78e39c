"""店铺账目: a shop's own accounts in plain words: what it has in each pot, what moved it, and each month's statement.

Everything is read from the ledger's entries, so that it cannot disagree with them. What a pot is: decision 22.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clock import SHANGHAI, midnight
from ledger import balances, posting
from ledger.models import AccountKind, Entry, Posting, Side
from orders.models import Cancellation, Order
from paging import PAGE_SIZE
from payments.models import Payment
from refunds.models import Disbursement, RedirectTransfer
from refunds.settlement import NEVER
from sheets import Cell, yuan_number
from shops.models import DepositEntry, Shop

#: The pots, in the order in which money goes through them.
POTS = {
    AccountKind.SHOP: (gettext_lazy("待结算"), posting.shop_account),
    AccountKind.HELD: (gettext_lazy("冻结"), posting.held_account),
    AccountKind.AVAILABLE: (gettext_lazy("可提现"), posting.available_account),
    AccountKind.RESERVE: (gettext_lazy("保证金"), posting.reserve_account),
    AccountKind.ADVANCE: (gettext_lazy("平台垫付"), posting.advance_account),
}
#: What a posting is, by the first word of its ref; of a claim, what was freed has another name than what was held.
KINDS = {
    "payment": gettext_lazy("买家付款"),
    "settle": gettext_lazy("订单结算"),
    "hold": gettext_lazy("退款申请冻结"),
    "free": gettext_lazy("退款申请解冻"),
    "refund": gettext_lazy("退款退回买家"),
    "refund_returned": gettext_lazy("退款被银行退回"),
    "credit": gettext_lazy("退款入买家余额"),
    "fee": gettext_lazy("退款手续费归平台"),
    "fee_back": gettext_lazy("退款手续费归平台"),
    "fee_kept": gettext_lazy("退款手续费留在店铺（自带商户号）"),
    "penalty": gettext_lazy("违约金付给买家"),
    "deposit": gettext_lazy("保证金"),
    "transfer": gettext_lazy("提现"),
    "transfer_back": gettext_lazy("提现退回"),
    "transfer_paid": gettext_lazy("退款转账付给买家"),
    "transfer_failed": gettext_lazy("退款转账被银行退回"),
    "repay": gettext_lazy("偿还垫付，补足保证金"),
    "external_borne": gettext_lazy("渠道侧退款"),
}
OTHER = gettext_lazy("其他")
SAY_THAT_IT_CAME_BACK = {"transfer_back", "transfer_failed"}
POSTED_BY_THEN = timedelta(
    minutes=10
)  # what was begun before midnight bears that time, and is committed a moment later
MOST_ENTRIES = 3 * PAGE_SIZE  # of one account, read for one page


# --- now --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Now:
    """What a shop has now, in fen. ``next_order``: whose money becomes its own first, if nothing comes between.

    ``own_fen``: of what is not settled or held, what the shop's own accounts took (自带商户号): it has that already.
    """

    shop_fen: int
    held_fen: int
    available_fen: int
    reserve_fen: int
    advance_fen: int  # what the shop owes the platform
    own_fen: int
    next_order: Order | None


def now(shop: Shop) -> Now:
    """Three queries, however long the shop's past is."""
    own = [posting.channel_account(account.code) for account in shop.channel_accounts.all()]
    owed = balances.owed([*_codes(shop), *own])
    fen = {kind: owed[account(shop.pk)] for kind, (_title, account) in POTS.items()}
    waiting = Order.objects.filter(shop=shop, settled_at=None, settle_from__lt=NEVER)
    return Now(
        fen[AccountKind.SHOP],
        fen[AccountKind.HELD],
        fen[AccountKind.AVAILABLE],
        fen[AccountKind.RESERVE],
        -fen[AccountKind.ADVANCE],
        -sum(owed[code] for code in own),
        waiting.order_by("settle_from", "pk").first(),
    )


# --- what moved -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moved:
    """One posting, as the shop sees it. ``changes``: [(pot, fen)], what came into the pot positive."""

    at: datetime
    title: str
    order_no: str
    refund_no: str
    voucher: str
    changes: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class MovedPage:
    """Like ``paging.Page``: newest first; ``next_after`` asks for what is older."""

    rows: Sequence[Moved]
    next_after: str
    is_first: bool


def moved(shop: Shop, *, after: str = "") -> MovedPage:
    """账目明细. A page costs the same wherever it stands: each account's index is read backwards from its mark."""
    mark = int(after) if after.isascii() and after.isdigit() and len(after) <= 18 else None
    found = _newest(shop, mark)
    shown = dict(list(found.items())[:PAGE_SIZE])
    entries = Entry.objects.filter(posting__in=shown, account__code__in=_codes(shop))
    changes: defaultdict[int, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for posting_id, kind, side, fen in entries.order_by("pk").values_list(
        "posting", "account__kind", "side", "amount_fen"
    ):
        changes[posting_id][kind] += fen if side == Side.CREDIT else -fen
    rows = Posting.objects.in_bulk(list(shown))
    listed = [rows[key] for key in shown]
    subjects = _subjects(listed)
    return MovedPage(
        [_moved(row, changes[row.pk], subjects[row.ref]) for row in listed],
        str(list(shown.values())[-1]) if len(found) > PAGE_SIZE else "",
        is_first=mark is None,
    )


def _newest(shop: Shop, mark: int | None) -> dict[int, int]:
    """{posting: its newest entry on the shop's accounts}, the newest first, of those wholly older than the mark."""
    beyond = "" if mark is None else "AND entry.id < %(mark)s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT newest.posting_id, max(newest.id) AS last FROM ledger_account AS account
             CROSS JOIN LATERAL (
               SELECT id, posting_id FROM ledger_entry AS entry WHERE account_id = account.id {beyond}
                ORDER BY id DESC LIMIT %(most)s
             ) AS newest
             WHERE account.code = ANY(%(codes)s)
             GROUP BY newest.posting_id ORDER BY last DESC LIMIT %(size)s
            """,  # noqa: S608  constants
            {"mark": mark, "most": MOST_ENTRIES, "codes": _codes(shop), "size": 2 * PAGE_SIZE},
        )
        found = dict(cursor.fetchall())
        if mark is None or not found:
            return found
        # The younger entries of one posting may lie on this side of the mark: it stands on the page before.
        cursor.execute(
            "SELECT DISTINCT posting_id FROM ledger_entry JOIN ledger_account AS account ON account.id = account_id"
            " WHERE posting_id = ANY(%s) AND account.code = ANY(%s) AND ledger_entry.id >= %s",
            [list(found), _codes(shop), mark],
        )
        shown_before = {key for (key,) in cursor.fetchall()}
    return {key: last for key, last in found.items() if key not in shown_before}


@dataclass(frozen=True)
class Subject:
    """What a posting is about, by its number."""

    order_no: str = ""
    refund_no: str = ""
    voucher: str = ""


def _subjects(rows: Sequence[Posting]) -> dict[str, Subject]:
    """{ref: what it is about}, in a fixed number of queries."""
    numbers: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        word, _colon, rest = row.ref.partition(":")
        numbers[word][row.ref] = rest.partition(":")[0]
    known = {
        "payment": _by(Payment.objects.values_list("payment_no", "order__order_no"), numbers["payment"], "payment_no"),
        "penalty": _by(Cancellation.objects.values_list("pk", "order__order_no"), numbers["penalty"], "pk"),
        "deposit": _by(DepositEntry.objects.values_list("pk", "voucher"), numbers["deposit"], "pk"),
    }
    attempts = numbers["refund"] | numbers["refund_returned"]
    sent = Disbursement.objects.values_list("attempt__request_no", "refund__refund_no")
    refunds = _by(sent, attempts, "attempt__request_no")
    redirects = RedirectTransfer.objects.values_list("transfer__transfer_no", "refund__refund_no")
    refunds |= _by(redirects, numbers["transfer_paid"] | numbers["transfer_failed"], "transfer__transfer_no")
    found: dict[str, Subject] = {}
    for word, refs in numbers.items():
        for ref, number in refs.items():
            if word == "settle":
                found[ref] = Subject(order_no=number)
            elif word in {"hold", "fee", "fee_back", "fee_kept", "credit"}:
                found[ref] = Subject(refund_no=number)
            elif word in {"refund", "refund_returned", "transfer_paid", "transfer_failed"}:
                found[ref] = Subject(refund_no=refunds.get(number, ""))
            elif word == "deposit":
                found[ref] = Subject(voucher=known[word].get(number, ""))
            elif word in known:
                found[ref] = Subject(order_no=known[word].get(number, ""))
            else:
                found[ref] = Subject(voucher=number)
    return found


def _by(rows: Iterable[tuple[object, str]], wanted: Mapping[str, str], column: str) -> dict[str, str]:
    if not wanted:
        return {}
    chosen = rows.filter(**{f"{column}__in": list(wanted.values())})  # type: ignore[attr-defined]
    return {str(key): value for key, value in chosen}


def _moved(row: Posting, changes: Mapping[str, int], subject: Subject) -> Moved:
    word = row.ref.partition(":")[0]
    if word == "hold" and changes.get(AccountKind.HELD, 0) < 0:
        word = "free"
    pots = [(str(title), changes[kind]) for kind, (title, _account) in POTS.items() if changes.get(kind)]
    title = str(KINDS.get(word, OTHER))
    if row.reverses_id and word not in SAY_THAT_IT_CAME_BACK:
        title = _("冲正：%(what)s") % {"what": title}
    return Moved(row.posted_at, title, subject.order_no, subject.refund_no, subject.voucher, pots)


# --- a month ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pot:
    """One of a shop's accounts over a month, in fen."""

    title: str
    opening_fen: int
    in_fen: int
    out_fen: int
    closing_fen: int


@dataclass(frozen=True)
class Line:
    """What came in and went out for one reason; what only went from pot to pot is neither."""

    title: str
    count: int
    in_fen: int
    out_fen: int


@dataclass(frozen=True)
class Statement:
    """月结单. ``total`` is over all pots; a month that is not over yet is a statement so far."""

    month: date
    is_over: bool
    pots: Sequence[Pot]
    total: Pot
    lines: Sequence[Line]


def statement(shop: Shop, month: date, *, at: datetime) -> Statement:
    """The month of this first day, in Shanghai. Reads the shop's entries once."""
    start, end = midnight(month), midnight(next_month(month))
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENT, {"codes": _codes(shop), "start": start, "end": end})
        rows = [(by, word, *map(int, numbers)) for by, word, *numbers in cursor.fetchall()]
    found = {word: (number, came, went) for by, word, number, came, went in rows if by == "pot"}
    kinds = [(word, number, came, went) for by, word, number, came, went in rows if by == "kind"]
    pots = [_pot(str(title), *found.get(kind, (0, 0, 0))) for kind, (title, _account) in POTS.items()]
    lines = [Line(str(KINDS.get(word, OTHER)), count, came, went) for word, count, came, went in kinds]
    opening = sum(pot.opening_fen for pot in pots)
    total = _pot(_("合计"), opening, sum(line.in_fen for line in lines), sum(line.out_fen for line in lines))
    return Statement(month, at >= end + POSTED_BY_THEN, pots, total, lines)


def months(shop: Shop, *, at: datetime) -> list[date]:
    """The months that there is a statement of, the newest first; at most the last two years."""
    first = timezone.localdate(shop.created_at, SHANGHAI).replace(day=1)
    month = timezone.localdate(at, SHANGHAI).replace(day=1)
    found: list[date] = []
    while month >= first and len(found) < 24:
        found.append(month)
        month = (month - date.resolution).replace(day=1)
    return found


def as_rows(made: Statement) -> Iterator[Sequence[Cell]]:
    """The statement for a spreadsheet program: what ``sheets`` writes, in yuan."""
    yield [_("月结单"), f"{made.month:%Y-%m}"]
    yield [_("账户"), _("期初（元）"), _("收入（元）"), _("支出（元）"), _("期末（元）")]
    for pot in [*made.pots, made.total]:
        sums = [pot.opening_fen, pot.in_fen, pot.out_fen, pot.closing_fen]
        yield [pot.title, *map(yuan_number, sums)]
    yield []
    yield [_("事项"), _("笔数"), _("收入（元）"), _("支出（元）")]
    for line in made.lines:
        yield [line.title, line.count, yuan_number(line.in_fen), yuan_number(line.out_fen)]


def next_month(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


_LEGS = """
WITH legs AS (
  SELECT posting.id, split_part(posting.ref, ':', 1) AS word, posting.posted_at, account.kind,
         CASE entry.side WHEN 'credit' THEN entry.amount_fen ELSE -entry.amount_fen END AS fen
    FROM ledger_account AS account
    JOIN ledger_entry AS entry ON entry.account_id = account.id
    JOIN ledger_posting AS posting ON posting.id = entry.posting_id
   WHERE account.code = ANY(%(codes)s) AND posting.posted_at < %(end)s
)
"""
#: By pot with what it opened with, and by kind with how many: one statement, so that both are of the same moment.
_STATEMENT = f"""{_LEGS}
SELECT 'pot', kind, coalesce(sum(fen) FILTER (WHERE posted_at < %(start)s), 0),
       coalesce(sum(fen) FILTER (WHERE posted_at >= %(start)s AND fen > 0), 0),
       coalesce(-sum(fen) FILTER (WHERE posted_at >= %(start)s AND fen < 0), 0)
  FROM legs GROUP BY kind
 UNION ALL
SELECT 'kind', word, count(*), coalesce(sum(fen) FILTER (WHERE fen > 0), 0),
       coalesce(-sum(fen) FILTER (WHERE fen < 0), 0)
  FROM (SELECT id, word, sum(fen) AS fen FROM legs WHERE posted_at >= %(start)s GROUP BY id, word) AS whole
 WHERE fen <> 0 GROUP BY word ORDER BY 1, 2
"""  # noqa: S608  constants


def _pot(title: str, opening_fen: int, in_fen: int, out_fen: int) -> Pot:
    return Pot(title, opening_fen, in_fen, out_fen, opening_fen + in_fen - out_fen)


def _codes(shop: Shop) -> list[str]:
    return [account(shop.pk) for _title, account in POTS.values()]
