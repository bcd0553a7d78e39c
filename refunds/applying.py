"""申请退款: what can be asked for, and asking for it. One active case per order, by the database (S0-27, P1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from orders import masking
from orders.models import Order
from payments import refunding
from payments.models import COUNTED, Payment
from refunds import askable, evidence, facts, goods, lifecycle, policy, profiles, refundable
from refunds.facts import Asked, LineFacts
from refunds.lifecycle import StepRefused
from refunds.models import Destination, DraftImage, Refund, RefundLine, Status
from refunds.policy import Amounts, Facts, Verdict
from refunds.refundable import Refundable
from shops.models import RefundPolicy
from writing import insert


class AlreadyActive(StepRefused):
    """The order has a case already: ``refund_no`` is where to go."""

    def __init__(self, refund_no: str) -> None:
        super().__init__("already_active", _("这张订单已有进行中的退款 %(no)s，请在那里继续。") % {"no": refund_no})
        self.refund_no = refund_no


@dataclass(frozen=True)
class Application:
    """What the buyer asks for. ``amount_fen`` None means all that is left of ``line_ids`` (None: of all lines).

    ``draft_images``: uploaded before, one by one, each for its slot; ``images``: come with the application itself.
    ``device_key``: 32 keyed bytes of the browser that asks, for the caps alone.
    """

    reason: str
    description: str = ""
    contact: str = ""
    amount_fen: int | None = None
    line_ids: Sequence[int] | None = None
    images: Sequence[evidence.Image] = ()
    draft_images: Sequence[DraftImage] = ()
    destination: str = Destination.ORIGINAL
    device_key: bytes | None = None


@dataclass(frozen=True)
class Preview:
    """预审: what the pre-check would say, on which facts, and what the buyer would get."""

    facts: Facts
    verdict: Verdict
    amounts: Amounts


def submit(order: Order, application: Application, *, by: User, at: datetime) -> Refund:
    """提交申请: freezes unseen codes and wakes the pre-check. Raises AlreadyActive or StepRefused."""
    _check_alone(application)
    if by.pk != order.buyer_id:
        raise StepRefused("not_yours", _("只能为自己的订单申请退款。"))
    try:
        with transaction.atomic():
            made = _submit([order.pk], application, by, at)[order.pk]
            if isinstance(made, StepRefused):
                raise made
            return made
    except IntegrityError:
        active = active_of(order)
        if active is None:
            raise
        raise AlreadyActive(active.refund_no) from None


def submit_many(
    orders: Collection[Order], application: Application, *, by: User, at: datetime
) -> dict[int, Refund | StepRefused]:
    """批量申请: for the same reason all that is left of many orders. {order: its case, or why it has none}: one that
    cannot be asked for stands in no other's way. The number of queries does not grow with the orders.

    Raises StepRefused where no order could be asked for so.
    """
    assert application.line_ids is None
    assert application.amount_fen is None
    assert not application.images
    assert not application.draft_images
    _check_alone(application)
    with transaction.atomic():
        return _submit([order.pk for order in orders], application, by, at)


def preview(
    order: Order, application: Application, *, at: datetime, left: Sequence[Refundable] | None = None
) -> Preview:
    """What the pre-check would say now, before anything is submitted: same rules, same sentences. Raises StepRefused
    where submitting would: a reason that does not fit, or a balance that there is not, is refused here too.
    ``left``: what is left of the order, where it was looked up already."""
    payment = paid_payment(order)
    chosen = refundable.chosen_of(refundable.lines_of(order) if left is None else left, application.line_ids)
    askable.check_reason(order.policy, application.reason, chosen)
    askable.check_destination(application.destination, order, payment)
    left_fen = sum(item.amount_fen for item in chosen)
    amount_fen = left_fen if application.amount_fen is None else application.amount_fen
    if left_fen:
        askable.check_amount(amount_fen, left_fen)
    became = facts.facts_of_rows([item.line for item in chosen])
    asked = _asked_by(order, payment, application, refundable.shares(amount_fen, chosen), became)
    known = facts.gather([asked], at=at)[0]
    return Preview(known, policy.decide(known), policy.amounts(known))


def review_hours(terms: RefundPolicy, known: Facts) -> int:
    """How long a review of this may take: what is promised before it is sent, and kept with the case."""
    abroad = known.is_cross_border
    return evidence.review_hours(terms, known.amount_fen, is_complete=known.is_complete, is_cross_border=abroad)


def paid_payment(order: Order) -> Payment | None:
    """The payment that the order stands on; surplus ones go back by themselves."""
    return order.payments.filter(COUNTED).select_related("account").first()


def active_of(order: Order) -> Refund | None:
    """The case under way; there is never a second one."""
    return Refund.objects.filter(order=order, status__in=Status.active()).first()


@dataclass(frozen=True)
class _Case:
    """A case that may be opened: what it takes of the order, and what its amounts are counted by."""

    asked: Asked
    parts: Sequence[tuple[Refundable, int]]
    known: Facts


def _submit(
    order_ids: Collection[int], application: Application, by: User, at: datetime
) -> dict[int, Refund | StepRefused]:
    """{order: its case, or why it has none}. Payments are locked before orders, as everywhere, and codes last. Whoever
    is refused is so before anything is written."""
    payments = refunding.locked_of_orders(order_ids)
    held = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("policy").filter(pk__in=payments)
    orders = {order.pk: order for order in held.order_by("pk")}
    earlier = _active_of_each(payments)
    left = refundable.of_orders(orders, touched=earlier)
    became = facts.facts_of_rows([item.line for items in left.values() for item in items])
    cases: dict[int, _Case] = {}
    made: dict[int, Refund | StepRefused] = {}
    for key in order_ids:
        try:
            order = _free(orders.get(key), earlier.get(key, ""), by)
            cases[key] = _case(order, payments[key], application, left.get(key, []), became, at)
        except StepRefused as refusal:
            made[key] = refusal
    return made | _open(cases, application, by, at)


def _free(order: Order | None, active: str, by: User) -> Order:
    """An order that may be asked about. Raises AlreadyActive or StepRefused. ``order``: locked; None where it has no
    payment."""
    if order is None:
        raise StepRefused("not_paid", _("订单没有成功的付款，无款可退。"))
    if by.pk != order.buyer_id:  # not theirs, or claimed while we waited
        raise StepRefused("not_yours", _("只能为自己的订单申请退款。"))
    if active:
        raise AlreadyActive(active)
    order.buyer = by
    return order


def _case(
    order: Order,
    payment: Payment,
    application: Application,
    left: Sequence[Refundable],
    became: Mapping[int, LineFacts],
    at: datetime,
) -> _Case:
    """Raises StepRefused."""
    chosen = refundable.chosen_of(left, application.line_ids)
    askable.check_reason(order.policy, application.reason, chosen)
    askable.check_destination(application.destination, order, payment)
    parts = refundable.shares(_amount(application, chosen, payment), chosen)
    asked = _asked_by(order, payment, application, parts, became)
    return _Case(asked, parts, facts.of_goods(asked, at=at))


def _open(cases: Mapping[int, _Case], application: Application, by: User, at: datetime) -> dict[int, Refund]:
    """{order: its new case}, with its lines and pictures; its goods are held."""
    if not cases:
        return {}
    goods.hold([item.line for case in cases.values() for item, _ in case.parts], at=at, by=by)
    said = masking.mask_about(cases, application.description.strip())  # buyers paste their codes (PM16)
    is_frequent = bool(profiles.frequent([by.pk]))
    refunds = {key: _refund(case, application, said, by, is_frequent=is_frequent) for key, case in cases.items()}
    lifecycle.open_cases(list(refunds.values()), by=by, at=at)
    insert(
        [
            RefundLine(refund=refunds[key], order_line=item.line, amount_fen=fen - fee_fen, fee_fen=fee_fen)
            for key, case in cases.items()
            for (item, fen), became in zip(case.parts, case.asked.lines, strict=True)
            for fee_fen in [policy.fee_of(fen, case.known) if became.delivered_at else 0]
        ]
    )
    for refund in refunds.values():
        evidence.store(refund, by=by, at=at, images=application.images, draft_images=application.draft_images)
    return refunds


def _refund(case: _Case, application: Application, said: str, by: User, *, is_frequent: bool) -> Refund:
    order, payment, amounts = case.asked.order, case.asked.payment, policy.amounts(case.known)
    assert payment is not None
    return Refund(
        order=order,
        payment=payment,
        buyer=by,  # nobody else's order gets here
        asked_by=by,
        reason=application.reason,
        description=said,
        contact=application.contact.strip(),
        amount_fen=amounts.refund_fen,
        fee_fen=amounts.fee_fen,
        destination=application.destination,
        is_complete=case.known.is_complete,
        is_frequent=is_frequent,
        review_hours=review_hours(order.policy, case.known),
        payer_key=payment.payer_key,
        device_key=application.device_key,
        submitted_at=case.known.at,
    )


def _asked_by(
    order: Order,
    payment: Payment | None,
    application: Application,
    parts: Sequence[tuple[Refundable, int]],
    became: Mapping[int, LineFacts],
) -> Asked:
    """What the buyer asks for, as the rules see it."""
    return Asked(
        order=order,
        payment=payment,
        lines=[became[item.line.pk] for item, _ in parts],
        shares=[fen for _, fen in parts],
        amount_fen=sum(fen for _, fen in parts),
        left_fen=sum(item.amount_fen for item, _ in parts),
        reason=application.reason,
        destination=application.destination,
        slots_given=[image.slot for image in application.draft_images],
        device_key=application.device_key,
    )


def _active_of_each(order_ids: Collection[int]) -> dict[int, str]:
    """{order that had a case before: the number of the one under way, or ""}."""
    found: dict[int, str] = {}
    rows = Refund.objects.filter(order__in=order_ids).values_list("order_id", "refund_no", "status")
    for order_id, refund_no, status in rows:
        found[order_id] = refund_no if status in Status.active() else found.get(order_id, "")
    return found


def _check_alone(application: Application) -> None:
    """What needs no look at any order. Raises StepRefused."""
    askable.check_listed(application.reason)
    askable.check_words(application.reason, application.description)


def _amount(application: Application, chosen: Sequence[Refundable], payment: Payment) -> int:
    most = min(sum(item.amount_fen for item in chosen), payment.refundable_fen)
    if most <= 0:
        raise StepRefused("nothing_left", _("这张订单的款项已全部退回或正在退回。"))
    amount_fen = most if application.amount_fen is None else application.amount_fen
    askable.check_amount(amount_fen, most)
    return amount_fen
