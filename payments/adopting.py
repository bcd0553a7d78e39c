"""渠道侧退款: what somebody refunded in a channel's own console becomes an attempt of ours, EXTERNAL (G21).

Less is left to promise from then on. The money is posted to 待查, until two people say whose loss it was. What bears a
number of ours that the database has forgotten is found (``found.py``), whether a bill or a recovery shows it first. And
what we had closed and the channel pays all the same: asked about, and taken up again only on the channel's own word.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Concat

import asking
import workqueue
from accounts.models import User
from ledger import posting
from ledger.posting import Transfer
from payments import channels, hearing, refunding
from payments.found import adopt as find
from payments.found import to_suspense
from payments.gateways.base import GatewayError, RefundOutcome, RefundRequest, RefundState
from payments.models import AttemptEvent, ChannelAccount, Payment, PaymentStatus, RefundAttempt
from payments.models import AttemptStatus as A
from shops import money
from shops.money import Move

PAID_THERE = {RefundState.SUCCEEDED, RefundState.ACCEPTED, RefundState.RETURNED, RefundState.BACK_WITH_MERCHANT}


@dataclass(frozen=True)
class Found:
    """A refund that the channel shows and we never asked for. ``their_no`` is the number it has there."""

    payment_no: str
    channel_refund_id: str
    their_no: str
    amount_fen: int
    at: datetime


def adopt(account: ChannelAccount, found: Sequence[Found], *, at: datetime, by: User | None = None) -> int:
    """补记渠道侧退款, each once, however often it is shown; returns how many are new. Of payments that are not ours
    nothing is written, nor of what a refund of ours stands for by now."""
    with transaction.atomic():
        mine = Payment.objects.filter(account=account, payment_no__in={each.payment_no for each in found})
        keys = list(mine.filter(status=PaymentStatus.PAID).values_list("pk", flat=True))
        payments = {row.payment_no: row for row in refunding.locked_payments(keys)}
        count = _find(payments, found, at)
        known, given = _known(payments.values()), _numbers_given(payments.values())
        ours = _ours(payments.values())
        rows = []
        for each in found:
            payment = payments.get(each.payment_no)
            seen = known[payment.pk] if payment else {}
            if {each.their_no, each.channel_refund_id} & ours:
                continue  # heard, found or taken up since whoever read the bill looked
            if payment and each.channel_refund_id not in seen and 0 < each.amount_fen <= payment.amount_fen:
                given[payment.pk] += 1
                rows.append(_external(payment, each, number=given[payment.pk], at=at))
                seen[each.channel_refund_id] = each.amount_fen
        for payment in payments.values():
            refunded_fen = sum(known[payment.pk].values())  # some of it the channel may have told before
            payment.external_fen = min(payment.amount_fen, max(payment.external_fen, refunded_fen))
        RefundAttempt.objects.bulk_create(rows)
        Payment.objects.bulk_update(payments.values(), ["external_fen", "last_attempt_index"])
        AttemptEvent.objects.bulk_create(refunding.noted(row, "渠道账单所示，补记", by=by, at=at) for row in rows)
        posting.post([to_suspense(row) for row in rows], at=at)
    return count + len(rows)


def bear(attempt: RefundAttempt, *, by_shop: bool, unsettled_fen: int, at: datetime) -> None:
    """承担: what lies in 待查 for this EXTERNAL is taken from the shop's own money, or from the platform's. Once.

    ``unsettled_fen``: what of the order stands on 待结算. Settling leaves there what was refunded outside us, so it is
    shared out here: to 待查 if the shop bears it, to the shop if the platform does. What was settled is drawn.
    In the caller's transaction, which has asked two people, and holds the payment and its order.
    """
    ref = f"external_borne:{attempt.request_no}"
    suspense = posting.suspense_account(attempt.payment.account.code)
    shop_id, fen = attempt.payment.order.shop_id, attempt.amount_fen
    there_fen, shop = max(0, min(unsettled_fen, fen)), posting.shop_account(shop_id)
    if attempt.payment.is_surplus:  # it was never the shop's: what is owed back to who paid is less now
        owner = posting.surplus_account(attempt.payment.account.code)
        legs = [Transfer(ref, debit=owner, credit=suspense, amount_fen=fen)]
    elif by_shop:
        legs = [Transfer(ref, debit=shop, credit=suspense, amount_fen=there_fen)] if there_fen else []
        legs += money.draw([Move(ref, shop_id, fen - there_fen, other=suspense)])
    else:
        legs = [Transfer(ref, debit=posting.COMPENSATION, credit=suspense, amount_fen=fen)]
        legs += money.pay_in([Move(ref, shop_id, there_fen, other=shop)])
    posting.post(legs, at=at)


def ask_about_closed(attempt: RefundAttempt) -> RefundOutcome | GatewayError:
    """What the channel says of a refund that is closed here. It is only asked about: nothing is sent again."""
    asking.demand_no_transaction()
    payment = attempt.payment
    request = RefundRequest(
        attempt.request_no, payment.payment_no, payment.channel_transaction_id, attempt.amount_fen, payment.amount_fen,
        attempt.reason, attempt.notify_url,
    )  # fmt: skip
    try:
        return channels.gateway(payment.account).query_refund(request)
    except GatewayError as error:
        return error


def revive(attempt: RefundAttempt, outcome: RefundOutcome, *, at: datetime, by: User | None = None) -> bool:
    """重新认领: closed here, and the channel says just now that it has it. Under way again with its reserve, and the
    outcome recorded as any other. False if there is no room for it any more, what it left was given back otherwise; or
    if it was adopted before, and is counted.
    """
    if outcome.state not in PAID_THERE:
        return False
    with transaction.atomic():
        (payment,) = refunding.locked_payments([attempt.payment_id])
        (row,) = refunding.locked_attempts([attempt.pk])
        if row.status != A.CLOSED or row.amount_fen > payment.refundable_fen:
            return False
        if is_adopted(payment, outcome.channel_refund_id):
            return False
        event = AttemptEvent(attempt=row, at=at, by=by, from_status=row.status, to_status=A.UNKNOWN)
        event.note = "渠道账单显示已退，再次询问后渠道确认"
        row.status, row.tries, row.next_due_at, row.leased_until = A.UNKNOWN, 0, at, at + workqueue.LEASE
        payment.reserved_fen += row.amount_fen
        payment.save(update_fields=["reserved_fen"])
        row.save(update_fields=["status", "tries", "next_due_at", "leased_until"])
        event.save()
    row.payment = payment
    refunding.record([(row, outcome)], at=at)
    return True


def _find(payments: Mapping[str, Payment], found: Sequence[Found], at: datetime) -> int:
    """找回: numbers that we have given out and the database has forgotten stay what they are, so that a recovery does
    not count them again, and the case that sent them takes them over instead of paying anew. Returns how many."""
    numbers = [each.their_no for each in found]
    here = set(RefundAttempt.objects.filter(request_no__in=numbers).values_list("request_no", flat=True))
    outcomes: defaultdict[str, dict[int, RefundOutcome]] = defaultdict(dict)
    for each in found:
        index = each.their_no.removeprefix(f"{each.payment_no}R")
        if re.fullmatch(r"[0-9]{2}", index) and each.payment_no in payments and each.their_no not in here:
            outcomes[each.payment_no][int(index)] = RefundOutcome(
                RefundState.SUCCEEDED, each.their_no, amount_fen=each.amount_fen,
                channel_refund_id=each.channel_refund_id, succeeded_at=each.at,
            )  # fmt: skip
    return sum(len(find(payments[number], each, at=at)) for number, each in outcomes.items())


def _known(payments: Iterable[Payment]) -> defaultdict[int, dict[str, int]]:
    """{payment: {channel's number: amount}} of what was adopted before."""
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    rows = RefundAttempt.objects.filter(payment__in=list(payments), status=A.EXTERNAL)
    for payment_id, number, amount_fen in rows.values_list("payment_id", "channel_refund_id", "amount_fen"):
        found[payment_id][number] = amount_fen
    return found


def _ours(payments: Iterable[Payment]) -> set[str]:
    """Their numbers, ours and the channel's, whose money our own refunds count; of what is closed here nothing is."""
    rows = RefundAttempt.objects.filter(payment__in=list(payments)).exclude(status__in=[A.EXTERNAL, *hearing.FINAL])
    return {number for pair in rows.values_list("request_no", "channel_refund_id") for number in pair if number}


def is_adopted(payment: Payment, channel_refund_id: str) -> bool:
    """Whether this refund of the channel's stands as EXTERNAL already. The payment is locked."""
    return channel_refund_id in _known([payment])[payment.pk]


def _numbers_given(payments: Iterable[Payment]) -> Counter[int]:
    """{payment: how many numbers of ours it has for refunds outside us}; those that a recovery found have their own."""
    mine = Q(request_no__startswith=Concat(F("payment__payment_no"), Value("X")))
    rows = RefundAttempt.objects.filter(mine, payment__in=list(payments))
    return Counter(rows.values_list("payment_id", flat=True))


def _external(payment: Payment, found: Found, *, number: int, at: datetime) -> RefundAttempt:
    """Under a number of our own: theirs may be as long as it likes, and one that we give out later."""
    return RefundAttempt(
        request_no=f"{payment.payment_no}X{number:02d}",
        payment=payment,
        amount_fen=found.amount_fen,
        reason=f"渠道后台退款 {found.their_no}".strip()[:80],
        status=A.EXTERNAL,
        channel_refund_id=found.channel_refund_id[:130],
        created_at=at,
        accepted_at=found.at,
        finished_at=found.at,
    )
