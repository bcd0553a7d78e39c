"""提醒: whoever has a case is told how much of its time is over: at 50 %, at 80 %, and when it ends; whoever takes
over, that it went up; the operators, of a last day that goes by with whomever the case lies.

Told are the person who claimed it, else everybody of the role with whom it lies; the shop's people; the buyer; finance.
Never a storm: a role is told once an hour of each mark, and a person of many cases at once in one notice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.models import User
from accounts.roles import Role
from notices import telling
from notices.models import Notice
from refunds import followups
from refunds.lifecycle import redirect
from refunds.models import Queue, Refund
from refunds.models import Status as S

OVER = 100  # per cent
ALONE = 3  # cases of one reader in one sweep that have a notice each; more of them have one together
MOST_TOLD = 50  # of one role
ROLE_OF: dict[str, Role] = {
    Queue.REVIEWER: Role.REVIEWER, Queue.SENIOR: Role.SENIOR, Queue.FINANCE: Role.FINANCE,
    Queue.OPERATOR: Role.OPERATOR,
}  # fmt: skip
LIST = "/admin/refunds/refund/"  # what lies with its reader, the most urgent first
#: Where a reader's many cases stand, by the notice that one of them has.
LISTS = {
    "refund_remind_buyer": "/refunds/",
    "refund_remind_destination": "/refunds/",
    "shop_refund_remind": "/shop/refunds/",
    "shop_refund_remind_evidence": "/shop/refunds/",
    "shop_refund_evidence_over": "/shop/refunds/",
    "desk_refund_remind": f"{LIST}?queue=desk",
    "desk_refund_due": f"{LIST}?queue=desk",
    "desk_refund_last_day": f"{LIST}?queue=all",
}


@dataclass(frozen=True)
class _News:
    """What one reader is told of one case; ``source`` makes it one notice, however often it is told."""

    kind: str
    reader: int
    refund: Refund
    page: str
    ends: datetime | None
    source: str


def remind(refunds: Sequence[Refund], *, at: datetime) -> None:
    """Tell the owner of each of these, as they stand: its ``reminded_percent`` is 50, 80 or 100."""
    in_person = [refund for refund in refunds if refund.queue not in ROLE_OF or refund.claimed_by_id]
    _tell([*_to_persons(in_person, at), *_to_whom_it_came_back(refunds, at)], at)
    _tell_roles([refund for refund in refunds if refund.queue in ROLE_OF and not refund.claimed_by_id], at)


def went_up(refunds: Sequence[Refund], *, at: datetime) -> None:
    """升级: those who have these from now on, as they stand."""
    readers = _people({ROLE_OF[refund.queue] for refund in refunds if refund.queue in ROLE_OF})
    telling.tell(
        _to_role(reader, "desk_queue_went_up", f"refund-went-up:{queue}:{at:%Y%m%d%H}", {}, at)
        for queue in sorted({refund.queue for refund in refunds} & ROLE_OF.keys())
        for reader in readers[ROLE_OF[queue]]
    )


def last_day(refunds: Sequence[Refund], *, at: datetime) -> None:
    """最迟结论已到: the operators', wherever the case waits; it stays with whoever must answer."""
    if not refunds:
        return
    operators = _people({Role.OPERATOR})[Role.OPERATOR]
    news = [
        _News(
            "desk_refund_last_day", reader, refund, followups.desk_page(refund), refund.decide_by,
            f"refund-last-day:{refund.pk}:{_stamp(refund.decide_by)}",
        )
        for refund in refunds
        for reader in operators
    ]  # fmt: skip
    _tell(news, at)


# --- persons ----------------------------------------------------------------------------------------------------------


def _to_persons(refunds: Sequence[Refund], at: datetime) -> list[_News]:
    asked = {refund.order.shop_id for refund in refunds if refund.queue == Queue.MERCHANT}
    members = followups.members(asked) if asked else {}
    return [
        _News(kind, reader, refund, page, _ends(refund, at), _source(refund, at))
        for refund in refunds
        for kind, page, readers in [_whom(refund, members)]
        for reader in readers
    ]


def _to_whom_it_came_back(refunds: Sequence[Refund], at: datetime) -> list[_News]:
    """退款异常: finance answers for it, and the buyer, who was asked where it shall go, can end it at once. He is
    reminded at each mark, and not daily from the end on: the deadline is finance's."""
    came_back = [refund for refund in refunds if refund.status == S.RETURNED and refund.reminded_percent < OVER]
    return [
        _News(
            "refund_remind_destination", refund.buyer_id, refund, followups.case_page(refund), refund.promised_by,
            f"{_source(refund, at)}:buyer",
        )
        for refund in (redirect.choosing(came_back) if came_back else [])
    ]  # fmt: skip


def _whom(refund: Refund, members: Mapping[int, Sequence[int]]) -> tuple[str, str, Sequence[int]]:
    """The notice, its page, and who reads it; nobody where the machine has it."""
    if refund.queue == Queue.BUYER:
        return "refund_remind_buyer", followups.case_page(refund), [refund.buyer_id]
    if refund.queue == Queue.MERCHANT:
        return _of_shop(refund), followups.shop_page(refund), members.get(refund.order.shop_id, [])
    kind = "desk_refund_due" if refund.reminded_percent >= OVER else "desk_refund_remind"
    return kind, followups.desk_page(refund), [refund.claimed_by_id] if refund.claimed_by_id else []


def _of_shop(refund: Refund) -> str:
    if refund.status != S.AWAITING_EVIDENCE:
        return "shop_refund_remind"
    return "shop_refund_evidence_over" if refund.reminded_percent >= OVER else "shop_refund_remind_evidence"


def _tell(news: Iterable[_News], at: datetime) -> None:
    """One by one, or many of one reader in one notice."""
    by_reader: dict[tuple[int, str], list[_News]] = defaultdict(list)
    for each in news:
        by_reader[each.reader, each.kind].append(each)
    telling.tell(
        notice
        for lot in by_reader.values()
        for notice in ([_together(lot, at)] if len(lot) > ALONE else [_alone(each, at) for each in lot])
    )


def _alone(news: _News, at: datetime) -> Notice:
    return Notice(
        recipient_id=news.reader,
        kind=news.kind,
        params=followups.params(news.refund)
        | {"by": followups.moment(news.ends), "percent": news.refund.reminded_percent},
        path=news.page,
        source=news.source,
        created_at=at,
    )


def _together(lot: Sequence[_News], at: datetime) -> Notice:
    kind = lot[0].kind
    return Notice(
        recipient_id=lot[0].reader,
        kind=f"{kind}_many",
        params={"count": len(lot), "by": _first(each.ends for each in lot)},
        path=LISTS[kind],
        source=f"{kind}:{at:%Y%m%d%H}:{min(each.refund.pk for each in lot)}"[:60],
        created_at=at,
    )


# --- roles ------------------------------------------------------------------------------------------------------------


def _tell_roles(refunds: Sequence[Refund], at: datetime) -> None:
    """Each queue's people in one notice, of the most urgent of these cases."""
    by_queue: dict[str, list[Refund]] = defaultdict(list)
    for refund in refunds:
        by_queue[refund.queue].append(refund)
    readers = _people({ROLE_OF[queue] for queue in by_queue})
    news = []
    for queue, lot in sorted(by_queue.items()):
        percent = max(refund.reminded_percent for refund in lot)
        kind = "desk_queue_due" if percent >= OVER else "desk_queue_remind"
        source = f"refund-queue:{queue}:{percent}:{at:%Y%m%d%H}"
        params = {"by": _first(_ends(refund, at) for refund in lot), "percent": percent}
        news += [_to_role(reader, kind, source, params, at) for reader in readers[ROLE_OF[queue]]]
    telling.tell(news)


def _to_role(reader: int, kind: str, source: str, params: dict[str, object], at: datetime) -> Notice:
    return Notice(recipient_id=reader, kind=kind, params=params, path=LIST, source=source, created_at=at)


def _people(roles: Collection[Role]) -> dict[str, list[int]]:
    """{role: keys of those on duty in it}. One question."""
    found: dict[str, list[int]] = defaultdict(list)
    staff = User.objects.filter(role__in=roles, is_staff=True, is_active=True)
    for role, pk in staff.order_by("pk").values_list("role", "pk"):
        if len(found[role]) < MOST_TOLD:
            found[role].append(pk)
    return found


# --- words ------------------------------------------------------------------------------------------------------------


def _ends(refund: Refund, at: datetime) -> datetime | None:
    """When its time ends: its promise, or its last day where that went by first."""
    last = refund.decide_by if refund.status in S.undecided() else None
    over = [moment for moment in (refund.promised_by, last) if moment is not None and moment <= at]
    return min(over, default=refund.promised_by)


def _first(moments: Iterable[datetime | None]) -> str:
    return followups.moment(min((moment for moment in moments if moment), default=None))


def _source(refund: Refund, at: datetime) -> str:
    """Once for each mark; once a day from the end of its time on."""
    day = f":{at:%Y%m%d}" if refund.reminded_percent >= OVER else ""
    return f"refund-remind:{refund.pk}:{_stamp(refund.entered_at)}:{refund.reminded_percent}{day}"


def _stamp(moment: datetime | None) -> str:
    return f"{moment.timestamp():.0f}" if moment else "0"
