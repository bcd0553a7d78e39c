"""依据: what the rules look at, read from our own records, once for all cases asked about."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.roles import Role
from orders.models import Order, OrderLine, Replacement, ServiceStatus, TopUpStatus
from payments.models import Payment
from refunds import lanes
from refunds.lanes import Purses
from refunds.models import Destination, ExpressOptIn, Lane, LaneLimits, Refund, RefundEvent, RefundLine, Status
from refunds.policy import Facts, Terms
from shops import checking
from shops.models import CardCode, RefundPolicy, Shop, ShopStatus, SupplierAnswer
from shops.suppliers.base import CodeFact

SILENT_WITHIN = timedelta(days=30)


@dataclass(frozen=True)
class LineFacts:
    """What became of one order line. ``is_begun``: a top-up left us, or work began, and nothing is handed over yet.
    ``is_used_or_seen``: what cannot be proved unused by our own record alone. ``valid_until``: the code's own last day.
    ``has_no_code``: handed over, and there was no code to look at: a top-up that arrived, work that was done.
    ``is_used``, ``is_cleared``: by the issuer's signed answer, redeemed after we had shown the code, or before; used
    too is what the supplier says it topped up, and work that the buyer confirmed (design: rules of proof).
    """

    delivered_at: datetime | None = None
    is_begun: bool = False
    is_used_or_seen: bool = False
    valid_until: date | None = None
    has_no_code: bool = False
    is_used: bool = False
    is_cleared: bool = False
    kind: str = ""
    is_cross_border: bool = False


@dataclass(frozen=True)
class Asked:
    """One case as the rules see it. ``shares``: what is asked of each of ``lines``, which ``amount_fen`` is the sum of.
    ``left_fen``: what no other case has taken of its lines' price. ``is_canceled``: the machine asks for what was
    canceled, however often the buyer was refused before."""

    order: Order
    payment: Payment | None
    lines: Sequence[LineFacts]
    shares: Sequence[int]
    amount_fen: int
    left_fen: int
    reason: str = ""
    destination: str = Destination.ORIGINAL
    slots_given: Sequence[str] = ()
    device_key: bytes | None = None
    is_canceled: bool = False

    @property
    def kind(self) -> str:
        """An order is of one product, so of one kind."""
        return next((line.kind for line in self.lines if line.kind), "")

    @property
    def is_cross_border(self) -> bool:
        return any(line.is_cross_border for line in self.lines)

    @property
    def purses(self) -> Purses:
        return lanes.purses_of(self.order, self.payment, self.device_key)


def gather(asked: Sequence[Asked], *, at: datetime) -> list[Facts]:
    """Look up, once for all of them, everything the rules want to know."""
    orders = [each.order for each in asked]
    known = _Known(
        rejections=_rejections(orders),
        records=records({order.buyer_id for order in orders}),
        express=_express(orders),
        limits=lanes.limits(),
        given=lanes.given([each.purses for each in asked], at=at),
        silences=_silences({order.shop_id for order in orders}, at),
    )
    return [_facts(each, known, at) for each in asked]


def of_goods(asked: Asked, *, at: datetime) -> Facts:
    """What amounts and promises are counted by: the goods, the terms and what is asked for. Nothing that the lanes ask
    about people: the pre-check looks that up, once the case is there."""
    nothing = _Known(rejections={}, records={}, express={}, limits={}, given=lanes.Given(), silences={})
    return _facts(asked, nothing, at)


@dataclass(frozen=True)
class _Known:
    """What was looked up for all of them at once."""

    rejections: Mapping[int, int]
    records: Mapping[int, tuple[datetime | None, int]]
    express: Mapping[int, bool]
    limits: Mapping[Lane, LaneLimits]
    given: lanes.Given
    silences: Mapping[int, int]  # of shops that can answer at all


def _facts(each: Asked, known: _Known, at: datetime) -> Facts:
    today, purses, buyer = timezone.localdate(at), each.purses, each.order.buyer_id
    terms = terms_of(each.order.policy, each.reason, each.kind, is_cross_border=each.is_cross_border)
    refused_at, granted = known.records.get(buyer, (None, 0))
    return Facts(
        at=at,
        terms=terms,
        ordered_at=each.order.placed_at,
        paid=each.payment is not None,
        delivered_at=max((line.delivered_at for line in each.lines if line.delivered_at), default=None),
        delivered_count=sum(line.delivered_at is not None for line in each.lines),
        begun_count=sum(line.is_begun for line in each.lines),
        revealed_count=sum(line.is_used_or_seen for line in each.lines),
        received_count=sum(line.has_no_code for line in each.lines),
        expired_count=sum(line.valid_until is not None and line.valid_until < today for line in each.lines),
        used_count=sum(line.is_used for line in each.lines),
        cleared_count=sum(line.is_cleared for line in each.lines),
        amount_fen=each.amount_fen,
        delivered_fens=tuple(
            fen for line, fen in zip(each.lines, each.shares, strict=True) if line.delivered_at is not None
        ),
        left_fen=each.left_fen,
        refundable_fen=each.payment.refundable_fen if each.payment else 0,
        rejections=0 if each.is_canceled else known.rejections.get(each.order.pk, 0),
        auto_refunded_today_fen=max(known.given.to(Lane.ONE_CLICK, of, purses) for of in ("buyer", "address")),
        reason=each.reason,
        kind=each.kind,
        is_cross_border=each.is_cross_border,
        is_canceled=each.is_canceled,
        to_balance=each.destination == Destination.BALANCE,
        slots_given=tuple(sorted(set(each.slots_given) - {""})),
        has_opted_in=buyer in known.express,
        is_verified=known.express.get(buyer, False),
        refused_lately=refused_lately(refused_at, terms, at),
        refunded_ever=granted,
        caps=() if each.is_canceled else lanes.caps(known.limits, known.given, purses),
        closed_lanes=() if each.is_canceled else lanes.closed(known.limits),
        shop_answers=known.silences.get(each.order.shop_id, ALWAYS) < each.order.policy.silent_shop_after,
    )


def terms_of(terms: RefundPolicy, reason: str, kind: str, *, is_cross_border: bool) -> Terms:
    """What this version says of these goods and this reason. Also of a draft: that is how it is tried out."""
    row = terms.reason(reason)
    return Terms(
        window_days=terms.window_of(kind),
        cooling_off_hours=terms.cooling_off_of(kind),
        one_click_below_fen=terms.one_click_below_fen,
        one_click_daily_cap_fen=terms.one_click_daily_cap_fen,
        max_rejections=terms.max_rejections,
        express_below_fen=terms.express_below_fen,
        express_clean_days=terms.express_clean_days,
        express_needs_no_record=terms.express_needs_no_record,
        fee_percent=terms.fee_percent,
        balance_fee_percent=terms.balance_fee_percent,
        evidence_after_hours=terms.evidence_after_hours,
        at_fault=row.at_fault if row else "nobody",
        takes_reason=row is not None,
        slots=tuple(terms.slots_for(reason, kind, is_cross_border=is_cross_border)),
        merchant_hours=terms.merchant_hours,
        skips_merchant=row.skips_merchant if row else True,
    )


# --- what became of the goods ----------------------------------------------------------------------------------------


def facts_of(line_ids: Collection[int]) -> dict[int, LineFacts]:
    """What became of each of these lines, by their deliveries, top-ups and services, and by what issuers have said."""
    rows = with_what_became(OrderLine.objects.filter(pk__in=line_ids))
    return facts_of_rows(list(rows.defer("delivery__code__sealed", "product_page")))


def with_what_became(rows: QuerySet[OrderLine]) -> QuerySet[OrderLine]:
    """These lines with all that ``facts_of_rows`` looks at."""
    seen = Replacement.objects.filter(line=OuterRef("pk"), old_code__revealed_at__isnull=False)
    return rows.select_related("delivery__code", "topup", "service").annotate(
        sold_kind=KT("product_page__kind"), sold_abroad=F("product_page__is_cross_border"), was_seen=Exists(seen)
    )


def facts_of_rows(lines: Sequence[OrderLine]) -> dict[int, LineFacts]:
    """The same of lines that were read ``with_what_became``."""
    said = checking.latest([code.pk for line in lines if (code := _code_of(line)) and code.revealed_at])
    return {line.pk: _line_facts(line, said) for line in lines}


def proved_used(refunds: Sequence[Refund]) -> set[int]:
    """Keys of the cases of which a line is proved used, by a record of ours (S0-21)."""
    lines = list(RefundLine.objects.filter(refund__in=refunds).values_list("refund_id", "order_line_id"))
    became = facts_of([line for _case, line in lines])
    return {case for case, line in lines if became[line].is_used}


def _code_of(line: OrderLine) -> CardCode | None:
    delivery = getattr(line, "delivery", None)
    return delivery.code if delivery else None


def _line_facts(line: Any, said: Mapping[UUID, SupplierAnswer]) -> LineFacts:
    """``line`` with ``sold_kind``, ``sold_abroad`` and ``was_seen``, as ``with_what_became`` reads it."""
    sold = LineFacts(kind=line.sold_kind or "", is_cross_border=bool(line.sold_abroad))
    delivery = getattr(line, "delivery", None)
    if delivery is None:
        return replace(sold, is_begun=_is_begun(line))
    handed_over = replace(sold, delivered_at=delivery.delivered_at)
    code = delivery.code
    if code is None:
        return replace(handed_over, is_used_or_seen=True, has_no_code=True, is_used=_is_consumed(line))
    if code.revealed_at is None:  # 补发: the code that it took the place of may have been looked at, and used
        return replace(handed_over, valid_until=code.valid_until, is_used_or_seen=line.was_seen)
    answer = said.get(code.pk)
    redeemed_at = answer.effective_at if answer and answer.state == CodeFact.REDEEMED else None
    return replace(
        handed_over,
        valid_until=code.valid_until,
        is_used_or_seen=True,
        is_used=redeemed_at is not None and redeemed_at >= code.revealed_at,
        is_cleared=redeemed_at is not None and redeemed_at < code.revealed_at and not line.was_seen,
    )


def _is_consumed(line: OrderLine) -> bool:
    """The supplier's signed word on a top-up, or the buyer's own on work: a shop's alone proves nothing."""
    topup, service = getattr(line, "topup", None), getattr(line, "service", None)
    was_topped_up = topup is not None and topup.status == TopUpStatus.SUCCEEDED
    return was_topped_up or (service is not None and service.status == ServiceStatus.CONFIRMED)


def _is_begun(line: OrderLine) -> bool:
    """A top-up that left us and has not failed, or work that began."""
    topup, service = getattr(line, "topup", None), getattr(line, "service", None)
    was_sent = topup is not None and topup.first_sent_at is not None and topup.status != TopUpStatus.FAILED
    return was_sent or (service is not None and service.started_at is not None)


# --- the shop ---------------------------------------------------------------------------------------------------------

ALWAYS = 10**6  # nobody is there to answer


def _silences(shops: Collection[int], at: datetime) -> dict[int, int]:
    """{shop that somebody works in: how often it let its time pass in the last 30 days} (conflict 9)."""
    silent = RefundEvent.objects.filter(
        role=Role.SYSTEM, step__in=["agree", "agree_above_limit"], at__gt=at - SILENT_WITHIN, refund__shop__in=shops
    )
    counts = dict(silent.order_by().values_list("refund__shop").annotate(Count("pk")))
    manned = Shop.objects.filter(pk__in=shops, memberships__isnull=False).exclude(status=ShopStatus.CLOSED)
    return {shop: counts.get(shop, 0) for shop in set(manned.values_list("pk", flat=True))}


# --- what the buyer has on record ------------------------------------------------------------------------------------


def _rejections(orders: Sequence[Order]) -> dict[int, int]:
    rejected = Refund.objects.filter(order__in=orders, status=Status.REJECTED)
    return dict(rejected.values_list("order").annotate(Count("pk")))


def refused_lately(refused_at: datetime | None, terms: Terms, at: datetime) -> int:
    """Whether the last refusal still counts against the express lane."""
    return int(refused_at is not None and refused_at > at - timedelta(days=terms.express_clean_days))


def records(buyers: Collection[int]) -> dict[int, tuple[datetime | None, int]]:
    """{buyer: (when one of their applications was last refused, how many were granted)} (S0-19, "good record")."""
    mine = Refund.objects.filter(buyer__in=buyers, cancellation=None)
    refused = Max(Coalesce("decided_at", "submitted_at"), filter=Q(status=Status.REJECTED))
    granted = Count("pk", filter=Q(status__in=Status.holding_money(), decided_at__isnull=False))
    rows = mine.order_by().values_list("buyer").annotate(refused_at=refused, granted=granted)
    return {buyer: (refused_at, count) for buyer, refused_at, count in rows}


def _express(orders: Sequence[Order]) -> dict[int, bool]:
    """{buyer who has opted in to the express lane: whether their real name is verified}."""
    rows = ExpressOptIn.objects.filter(user__in={order.buyer_id for order in orders}, ended_at=None)
    return {buyer: verified_at is not None for buyer, verified_at in rows.values_list("user", "user__verified_at")}
