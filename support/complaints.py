"""投诉商家: apart from any appeal, with a clock of its own (S0-34, S2-17).

    open → investigating → upheld | dismissed

``STEPS`` is the whole table. Seniors and operators investigate, never the buyer, never anybody of the shop. The shop
hears of it as the investigation begins and answers once. What is upheld counts among the shop's figures and is told to
the operators, whose act a suspension stays (``shops/life.py``). A refund waits longer for an investigation only where
somebody has written why.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

import workqueue
from accounts.models import User
from accounts.rights import Act
from images import Repainted
from orders.models import Order
from refunds import lifecycle
from refunds.lifecycle import StepRefused
from refunds.models import Refund
from shops import figures, rights
from shops.models import Shop
from support import people, pictures, words
from support.models import ComplaintStatus as S
from support.models import ShopCause, ShopComplaint, Tier
from support.models.complaint import LONGEST_EXTENSION_HOURS

log = logging.getLogger(__name__)

LABEL = "support.shopcomplaint"
BATCH = 50
BEGINS_WITHIN = timedelta(days=1)  # by the calendar: a complaint waits for no working day
DECIDED_WITHIN = timedelta(days=7)
TOLD_AGAIN_AFTER = timedelta(days=1)
MOST_OPEN = 5  # of one buyer at once
LONGEST_REASON = 500


@dataclass(frozen=True)
class Step:
    """From where to where, and with which right of the staff; None: the shop takes it."""

    source: S
    target: S
    act: Act | None


STEPS: dict[str, Step] = {
    "investigate": Step(S.OPEN, S.INVESTIGATING, Act.INVESTIGATE),
    "answer": Step(S.INVESTIGATING, S.INVESTIGATING, None),
    "extend": Step(S.INVESTIGATING, S.INVESTIGATING, Act.EXTEND_REVIEW),
    "uphold": Step(S.INVESTIGATING, S.UPHELD, Act.UPHOLD),
    "dismiss": Step(S.INVESTIGATING, S.DISMISSED, Act.DISMISS),
}


class CannotComplain(Exception):
    """Not theirs, not now, or too much. The message is for whoever tried."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


# --- the buyer --------------------------------------------------------------------------------------------------------


def complain(
    order: Order, *, causes: Collection[str], text: str, by: User, at: datetime, images: Sequence[Repainted] = ()
) -> ShopComplaint:
    """投诉 the shop of an order. Raises CannotComplain, words.CannotWrite, pictures.TooManyPictures."""
    if not people.are_one(order.buyer, by):
        raise CannotComplain("not_yours", _("这不是您的订单。"))
    chosen = [cause for cause in ShopCause.values if cause in causes]
    if not chosen:
        raise CannotComplain("no_cause", _("请选择至少一项事由。"))
    said = words.read(text)
    try:
        with transaction.atomic():
            User.objects.select_for_update(no_key=True).get(pk=by.pk)
            _demand_few(by)
            complaint = ShopComplaint.objects.create(
                order=order, shop_id=order.shop_id, buyer=by, causes=chosen, text=words.masked(said, order)[:1000],
                warnings=words.warnings_in(said), opened_at=at, promised_by=at + BEGINS_WITHIN,
                next_due_at=at + BEGINS_WITHIN,
            )  # fmt: skip
            pictures.store(complaint, images, by=by, at=at)
    except IntegrityError as error:
        if "one_open_complaint_per_order" not in str(error):
            raise
        raise CannotComplain("running", _("这张订单已有一件投诉在处理，请等它有结论。")) from None
    return complaint


def running(order: Order) -> ShopComplaint | None:
    return ShopComplaint.objects.filter(order=order, status__in=[S.OPEN, S.INVESTIGATING]).first()


def of(buyer: User) -> QuerySet[ShopComplaint]:
    """A buyer's complaints, with those of the guests that they claimed."""
    return ShopComplaint.objects.filter(buyer__in=people.accounts_of(buyer)).select_related("order", "shop")


# --- the shop ---------------------------------------------------------------------------------------------------------


def told_to(shop: Shop) -> QuerySet[ShopComplaint]:
    """What a shop knows of: everything from the beginning of its investigation."""
    return ShopComplaint.objects.filter(shop=shop).exclude(status=S.OPEN).select_related("order", "shop")


def answer(complaint: ShopComplaint, text: str, *, by: User, at: datetime) -> None:
    """商家答复, once, while it is investigated."""
    said = words.read(text)
    with _step("answer", complaint, by=by) as row:
        if row.shop_answer:
            raise CannotComplain("answered", _("已经答复过，只能答复一次。"))
        row.shop_answer = words.masked(said, row.order)[:1000]
        row.shop_answered_by, row.shop_answered_at = by, at
        people.tell(
            [row.investigator_id] if row.investigator_id else [], "complaint_answered", path=desk_path(row),
            source=f"complaint:{row.pk}:answer", at=at, **_of(row),
        )  # fmt: skip


# --- the platform -----------------------------------------------------------------------------------------------------


def investigate(complaint: ShopComplaint, *, by: User, at: datetime) -> None:
    """开始调查: the shop is told and may answer."""
    with _step("investigate", complaint, by=by) as row:
        row.investigator, row.investigated_at, row.tier = by, at, Tier.SENIOR
        row.promised_by = row.next_due_at = at + DECIDED_WITHIN
        _tell_buyer(row, "complaint_begun", at)
        _tell_shop(row, "shop_complaint_begun", at)


def extend_review(complaint: ShopComplaint, *, hours: int, reason: str, by: User, at: datetime) -> None:
    """延长审核 of the order's case that is under way, with the reason on record (S2-17)."""
    with _step("extend", complaint, by=by) as row:
        _demand_investigator(row, by)
        refund = Refund.objects.filter(order=row.order_id, status__in=lifecycle.STEPS["extend"].sources).first()
        if refund is None:
            raise CannotComplain("no_case", _("这张订单没有进行中的退款单，无需延长。"))
        if row.extends_review_hours:
            raise CannotComplain("extended", _("已经延长过一次。"))
        if not 0 < hours <= LONGEST_EXTENSION_HOURS:
            raise CannotComplain("hours", _("请填 1 到 %(most)d 小时。") % {"most": LONGEST_EXTENSION_HOURS})
        row.refund, row.extends_review_hours, row.extended_by, row.extended_at = refund, hours, by, at
        row.extends_review_reason = said = _reason(row, reason)
        _put_off(refund, hours, f"{row.complaint_no} +{hours} h：{said}"[:LONGEST_REASON], at)


def _put_off(refund: Refund, hours: int, why: str, at: datetime) -> None:
    """The case itself: its clock, its record, and the notice to the buyer."""
    try:
        lifecycle.extend(refund, hours=hours, note=why, at=at)
    except StepRefused as refusal:  # it was decided just now
        raise CannotComplain(refusal.code, str(refusal)) from None


def uphold(complaint: ShopComplaint, *, reason: str, by: User, at: datetime) -> None:
    """投诉成立: on record for the shop's figures, and before the operators."""
    with _step("uphold", complaint, by=by) as row:
        _decide(row, reason, by, at, "complaint_upheld")
        figures.note_upheld_complaint(row.shop_id, complaint_no=row.complaint_no, by=by, at=at)
        path, source = desk_path(row), f"complaint:{row.pk}:upheld"
        people.tell_tier(
            Tier.OPERATOR, "complaint_for_operators", path=path, source=source, at=at, shop=row.shop.name, **_of(row)
        )


def dismiss(complaint: ShopComplaint, *, reason: str, by: User, at: datetime) -> None:
    """投诉不成立, with the reason."""
    with _step("dismiss", complaint, by=by) as row:
        _decide(row, reason, by, at, "complaint_dismissed")


def _decide(row: ShopComplaint, reason: str, by: User, at: datetime, kind: str) -> None:
    _demand_investigator(row, by)
    row.reason, row.decided_at, row.promised_by, row.next_due_at = _reason(row, reason), at, None, None
    _tell_buyer(row, kind, at)
    _tell_shop(row, f"shop_{kind}", at)


def _demand_investigator(row: ShopComplaint, by: User) -> None:
    """Who investigates decides; an operator may step in."""
    if row.investigator_id != by.pk and by.role != people.ROLE_OF[Tier.OPERATOR]:
        raise CannotComplain("not_yours", _("由开始调查的同事作结论；需要换人请找运营管理员。"))


def _reason(row: ShopComplaint, reason: str) -> str:
    return words.masked(words.read(reason, longest=LONGEST_REASON), row.order)[:LONGEST_REASON]


# --- the machine ------------------------------------------------------------------------------------------------------


def sweep(*, at: datetime) -> int:
    """Tell of what is late: seniors first, then operators, again and again; up to a batch. Returns how many."""
    with transaction.atomic():
        due = workqueue.claim(ShopComplaint.objects.all(), at=at, limit=BATCH)
    for complaint in due:
        try:
            _escalate(complaint, at)
        except Exception:  # one that cannot be dealt with stops no other (F12)
            log.exception("complaint %s cannot be dealt with", complaint.complaint_no)
    return len(due)


def _escalate(complaint: ShopComplaint, at: datetime) -> None:
    with transaction.atomic():
        row = ShopComplaint.objects.select_for_update(no_key=True).get(pk=complaint.pk)
        if row.next_due_at is None or row.next_due_at > at:
            return
        source = f"complaint-late:{row.pk}:{row.tries}"
        people.tell_tier(Tier(row.tier), "complaint_late", path=desk_path(row), source=source, at=at, **_of(row))
        row.tier, row.tries = Tier.OPERATOR, row.tries + 1
        row.next_due_at, row.leased_until = at + TOLD_AGAIN_AFTER, None
        row.save(update_fields=["tier", "tries", "next_due_at", "leased_until"])


# --- how a step is taken ----------------------------------------------------------------------------------------------


@contextmanager
def _step(name: str, complaint: ShopComplaint, *, by: User) -> Iterator[ShopComplaint]:
    """The only code that writes ``status``: lock, refuse what the table does not list, act. Raises CannotComplain."""
    step = STEPS[name]
    with transaction.atomic():
        rows = ShopComplaint.objects.select_for_update(no_key=True, of=("self",))
        row = rows.select_related("order__shop", "shop", "buyer").get(pk=complaint.pk)
        if step.act is None:
            allowed = rights.may(by, row.shop, "talk") and not people.are_one(row.buyer, by)
        else:
            allowed = people.may_work(by, step.act, LABEL, buyer=row.buyer, order=row.order)
        if not allowed:
            raise CannotComplain("not_yours", _("您不能处理这件投诉。"))
        if row.status != step.source:
            raise CannotComplain(
                "wrong_status", _("投诉现在是“%(now)s”，不能这样做。") % {"now": row.get_status_display()}
            )
        yield row
        row.status, row.leased_until = step.target, None
        row.save()
    complaint.refresh_from_db()


def _demand_few(by: User) -> None:
    """The buyer is locked."""
    if ShopComplaint.objects.filter(buyer=by, status__in=[S.OPEN, S.INVESTIGATING]).count() >= MOST_OPEN:
        raise CannotComplain("too_many", _("您有 %(most)d 件投诉在处理，请等其中一件有结论。") % {"most": MOST_OPEN})


def _tell_buyer(row: ShopComplaint, kind: str, at: datetime) -> None:
    reader = row.buyer.claimed_by_id or row.buyer_id
    path = f"/support/complaints/{row.complaint_no}/"
    people.tell([reader], kind, path=path, source=f"complaint:{row.pk}:{kind}", at=at, **_of(row))


def _tell_shop(row: ShopComplaint, kind: str, at: datetime) -> None:
    members = rights.holders("talk", [row.shop_id])[row.shop_id]
    path = f"/shop/complaints/{row.complaint_no}/"
    people.tell(members, kind, path=path, source=f"complaint:{row.pk}:{kind}", at=at, shop=row.shop.name, **_of(row))


def _of(row: ShopComplaint) -> dict[str, str]:
    return {"complaint_no": row.complaint_no}


def desk_path(row: ShopComplaint) -> str:
    return f"/admin/support/shopcomplaint/{row.pk}/change/"
