"""What notices are about: the goods that a number stands for, how it stands now, and what is promised by when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch, Q, QuerySet

from accounts.models import User
from notices.models import Notice
from orders.models import Order, OrderLine, OrderStatus
from refunds.models import Queue, Refund
from shops import rights

#: By number: whatever the notices of one page name.
Subjects = dict[str, "Subject"]


@dataclass(frozen=True)
class Subject:
    """An order or a case as it is now. ``by``: until when something is promised, or asked of the reader."""

    goods: str
    status: str
    by: datetime | None
    is_late: bool = False
    is_readers_turn: bool = False


@dataclass(frozen=True)
class About:
    """What one row says below its sentence. ``now``: only on the newest row of its subject, the others are history."""

    goods: str = ""
    now: Subject | None = None


def about(notices: Sequence[Notice], reader: User, *, at: datetime) -> list[About]:
    """One answer for each notice, in four queries however many they are; empty for what the reader may not see."""
    found = _orders(_named(notices, "order_no"), reader, at) | _refunds(_named(notices, "refund_no"), reader, at)
    answers, told = [], set()
    for notice in notices:
        number = str(notice.params.get("order_no") or notice.params.get("refund_no") or "")
        subject = found.get(number)
        answers.append(About(subject.goods, None if number in told else subject) if subject else About())
        told.add(number)
    return answers


def _named(notices: Sequence[Notice], kind: str) -> set[str]:
    return {str(notice.params[kind]) for notice in notices if notice.params.get(kind)}


def _orders(numbers: set[str], reader: User, at: datetime) -> Subjects:
    """The reader's own, and those of the shops that they work in."""
    theirs = Q(buyer=reader) | Q(shop__in=rights.shops_of(reader, "orders"))
    rows = Order.objects.filter(theirs, order_no__in=numbers).prefetch_related(Prefetch("lines", _first_lines()))
    return {order.order_no: _of_order(order, at) for order in rows} if numbers else {}


def _of_order(order: Order, at: datetime) -> Subject:
    by = order.promised_at if order.status == OrderStatus.PAID else None
    return Subject(_goods(order), order.get_status_display(), by, is_late=bool(by and by < at))


def _refunds(numbers: set[str], reader: User, at: datetime) -> Subjects:
    rows = Refund.objects.filter(refund_no__in=numbers, buyer=reader).select_related("order")
    rows = rows.prefetch_related(Prefetch("order__lines", _first_lines()))
    return {refund.refund_no: _of_refund(refund, at) for refund in rows} if numbers else {}


def _of_refund(refund: Refund, at: datetime) -> Subject:
    by = refund.promised_by
    is_turn = refund.queue == Queue.BUYER
    return Subject(_goods(refund.order), refund.get_status_display(), by, bool(by and by < at), is_turn)


def _first_lines() -> QuerySet[OrderLine]:
    return OrderLine.objects.filter(position=1).only("order_id", "product_name")


def _goods(order: Order) -> str:
    return next((line.product_name for line in order.lines.all()), "")
