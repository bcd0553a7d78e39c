"""不变量: what must be true of the books at every commit (docs/rules.md).

One function for each; it returns what is broken, a line each, and nothing if all is well. Tests, chaos runs and
``manage.py invariants`` ask the same questions. I14 and I15 are about calls and texts, not about rows: tests prove
them. I13 has no rows: no door offers a refund any other way than the original one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pgtrigger
from django.db.models import Case, Count, F, Q, Sum, When
from django.db.models.functions import Coalesce

from ledger.models import AccountKind, Entry, Posting, Side
from orders.models import Delivery
from payments.models import AttemptStatus, Channel, Payment, PaymentStatus, RefundAttempt
from refunds.lifecycle import AT_REST, BACK, STEPS
from refunds.models import Disbursement, Lane, Queue, Refund, RefundEvent, RefundLine, Status
from shops.models import CardCode, CodeEvent, CodeState

Broken = list[str]
NET = Sum(Case(When(side=Side.DEBIT, then=F("amount_fen")), default=-F("amount_fen")))
DECISIONS = {"approve", "reject", "halt", "request_evidence", "disburse", "reissue"}


def broken(books: Mapping[str, Any] | None = None) -> Broken:
    """Everything that is broken; with a channel's ``books``, also where they and ours differ."""
    found = [f"{name}: {line}" for name, check in INVARIANTS.items() for line in check()]
    return found + (check_against_books(books) if books else [])


# --- money ------------------------------------------------------------------------------------------------------------


def refunds_fit_payments() -> Broken:
    """I1: reserved and refunded are the sums over the attempts, and never more than was paid."""
    reserving = Q(attempts__status__in=AttemptStatus.reserving())
    succeeded = Q(attempts__status=AttemptStatus.SUCCEEDED)
    rows = Payment.objects.annotate(
        reserved_sum=Coalesce(Sum("attempts__amount_fen", filter=reserving), 0),
        refunded_sum=Coalesce(Sum("attempts__amount_fen", filter=succeeded), 0),
    )
    wrong = rows.exclude(
        reserved_fen=F("reserved_sum"),
        refunded_fen=F("refunded_sum"),
        amount_fen__gte=F("reserved_sum") + F("refunded_sum"),
    )
    return [
        f"{row.payment_no}: paid {row.amount_fen}, reserved {row.reserved_fen} (attempts say {row.reserved_sum}),"
        f" refunded {row.refunded_fen} (attempts say {row.refunded_sum})"
        for row in wrong
    ]


def ledger_says_the_same() -> Broken:
    """I2, our side of it: each payment is posted once, each success once more than its returns; balances agree."""
    postings = set(Posting.objects.values_list("ref", flat=True))
    paid = Payment.objects.filter(status=PaymentStatus.PAID)
    lines = [
        f"{no}: paid, not posted" for no in paid.values_list("payment_no", flat=True) if f"payment:{no}" not in postings
    ]
    for attempt in RefundAttempt.objects.only("request_no", "status", "money_moves"):
        moves = range(1, attempt.money_moves + 1)
        out = sum(f"refund:{attempt.request_no}:{n}" in postings for n in moves)
        back = sum(f"refund_returned:{attempt.request_no}:{n}" in postings for n in moves)
        if out - back != (attempt.status == AttemptStatus.SUCCEEDED) or out + back != attempt.money_moves:
            lines.append(f"{attempt.request_no}: {attempt.status}, posted {out} times out and {back} times back")
    balance = Entry.objects.filter(account__kind=AccountKind.CHANNEL).aggregate(fen=Coalesce(NET, 0))["fen"]
    kept = paid.aggregate(fen=Coalesce(Sum(F("amount_fen") - F("refunded_fen")), 0))["fen"]
    return lines if balance == kept else [*lines, f"channel accounts hold {balance} fen, payments say {kept}"]


def numbers_are_used_once() -> Broken:
    """I3: a payment's attempts are numbered 1, 2, 3 … without a gap, so that a recovery can count up (F6)."""
    lines = []
    for payment in Payment.objects.filter(last_attempt_index__gt=0).prefetch_related("attempts"):
        expected = {f"{payment.payment_no}R{n:02d}" for n in range(1, payment.last_attempt_index + 1)}
        actual = {attempt.request_no for attempt in payment.attempts.all()}
        if actual != expected:
            lines.append(f"{payment.payment_no}: numbers {sorted(actual)}, expected {sorted(expected)}")
    return lines


def postings_balance() -> Broken:
    """I6: every posting sums to zero, and so do all accounts together."""
    rows = Posting.objects.annotate(sides=Count("entries"), net=Sum(_signed("entries__"))).exclude(net=0, sides__gte=2)
    return [f"{row.ref}: {row.sides} entries sum to {row.net}" for row in rows]


# --- the case ---------------------------------------------------------------------------------------------------------


def moving_things_have_owners() -> Broken:
    """I4: what is not at rest lies with somebody, and has a time when a machine looks again."""
    rest = [*AT_REST, Status.PAID_OUT]
    refunds = Refund.objects.exclude(status__in=rest).filter(Q(next_due_at=None) | Q(queue=Queue.NOBODY))
    held = Q(disbursements__attempt__status=AttemptStatus.HELD, disbursements__attempt__news_at=None)
    unowned = Refund.objects.filter(held, status=Status.PROCESSING, queue=Queue.MACHINE)
    resting = [AttemptStatus.SUCCEEDED, AttemptStatus.CLOSED, AttemptStatus.HELD, AttemptStatus.BACK_WITH_MERCHANT]
    attempts = RefundAttempt.objects.exclude(status__in=[*resting, AttemptStatus.EXTERNAL]).filter(next_due_at=None)
    return [
        *(f"{row.refund_no}: {row.status}, nobody's turn" for row in refunds),
        *(f"{row.refund_no}: its attempt is held, yet the machine owns the case" for row in unowned),
        *(f"{row.request_no}: {row.status}, never due" for row in attempts),
    ]


def only_listed_steps_were_taken() -> Broken:
    """I5, I8: each event is a row of the table, follows on the one before, and the last one is the status."""
    lines = []
    for refund in Refund.objects.prefetch_related("events"):
        at, waits_from = "", ""
        events = sorted(refund.events.all(), key=lambda event: event.sequence)
        for number, event in enumerate(events, start=1):
            if not _is_listed(event, number, waits_from) or event.from_status != at:
                lines.append(f"{refund.refund_no}: event {event.sequence} {event.step}: {at} → {event.to_status}")
            if event.step == "request_evidence":
                waits_from = event.from_status
            at = event.to_status
        if at != refund.status:
            lines.append(f"{refund.refund_no}: is {refund.status}, its events say {at or 'nothing'}")
    return lines


def who_decides_is_somebody_else() -> Broken:
    """I10: not who asked; above the limit a senior; and who approved does not release."""
    decisions = RefundEvent.objects.filter(step__in=DECISIONS, actor__isnull=False)
    own = decisions.filter(Q(actor=F("refund__buyer")) | Q(actor=F("refund__asked_by")))
    too_much = decisions.filter(step="approve", refund__amount_fen__gt=F("refund__order__policy__senior_above_fen"))
    released = Disbursement.objects.filter(
        refund__events__step="approve", refund__events__actor=F("released_by"), released_by__isnull=False
    )
    return [
        *(f"{event.refund}: {event.step} by who asked for it" for event in own.select_related("refund")),
        *(f"{event.refund}: approved above the limit by a {event.role}"
          for event in too_much.exclude(role="senior").select_related("refund")),
        *(f"{row.refund}: approved and released by the same person" for row in released.select_related("refund")),
    ]  # fmt: skip


def each_case_is_paid_once() -> Broken:
    """I11: at most one attempt of a case may still pay or has paid; it is about the same payment and amount."""
    final = [AttemptStatus.CLOSED, AttemptStatus.BACK_WITH_MERCHANT]
    alive: dict[int, int] = defaultdict(int)
    lines = []
    for row in Disbursement.objects.select_related("refund", "attempt"):
        alive[row.refund_id] += row.attempt.status not in final
        if (row.attempt.payment_id, row.attempt.amount_fen) != (row.refund.payment_id, row.refund.amount_fen):
            lines.append(f"{row.refund}: attempt {row.attempt} is about something else")
    twice = [pk for pk, count in alive.items() if count > 1]
    under_way = Refund.objects.filter(status__in=[Status.PROCESSING, Status.PAID_OUT, Status.ARRIVED])
    unpaid = under_way.exclude(pk__in=[pk for pk, count in alive.items() if count])
    stray = RefundAttempt.objects.filter(disbursement=None, payment__is_surplus=False)
    return [
        *lines,
        *(f"{refund}: {alive[refund.pk]} attempts at once" for refund in Refund.objects.filter(pk__in=twice)),
        *(f"{refund}: {refund.status}, but no attempt stands for it"
          for refund in unpaid.exclude(disbursements__attempt__news_at__isnull=False)),
        *(f"{attempt}: belongs to no case, and its payment is no surplus" for attempt in stray),
    ]  # fmt: skip


def parts_sum_up() -> Broken:
    """I12: a case's lines sum to it; all cases together never take more of a line than it cost."""
    refunds = Refund.objects.annotate(parts=Coalesce(Sum("lines__amount_fen"), 0)).exclude(parts=F("amount_fen"))
    promised = RefundLine.objects.filter(refund__status__in=Status.holding_money())
    taken = promised.values("order_line_id", price_fen=F("order_line__price_fen")).annotate(fen=Sum("amount_fen"))
    return [
        *(f"{refund}: {refund.amount_fen} fen, its lines {refund.parts}" for refund in refunds),
        *(f"order line {row['order_line_id']}: {row['fen']} of {row['price_fen']} fen refunded"
          for row in taken if row["fen"] > row["price_fen"]),
    ]  # fmt: skip


# --- goods, and the record --------------------------------------------------------------------------------------------


def codes_are_where_they_say() -> Broken:
    """I9: handed over once, looks recorded, and none looked at after its freeze and refunded as unused."""
    in_stock = [CodeState.IN_STOCK, CodeState.RESERVED]
    lost = CardCode.objects.exclude(state__in=in_stock).filter(delivery=None)
    early = Delivery.objects.filter(code__state__in=in_stock)
    unrecorded = CardCode.objects.filter(revealed_at__isnull=False).exclude(
        pk__in=CodeEvent.objects.filter(kind="reveal").values("code")
    )
    unseen = RefundLine.objects.filter(
        refund__status__in=Status.holding_money(), refund__lane__in=[Lane.ONE_CLICK, Lane.UNDELIVERED]
    )
    fooled = unseen.filter(order_line__delivery__code__revealed_at__isnull=False).select_related("refund")
    gone = [Status.PROCESSING, Status.PAID_OUT, Status.ARRIVED]
    kept = RefundLine.objects.filter(refund__status__in=gone, amount_fen=F("order_line__price_fen")).filter(
        order_line__delivery__code__state__in=[CodeState.DELIVERED, CodeState.REVEALED, CodeState.FROZEN]
    )
    return [
        *(f"code {code.pk}: {code.state}, but handed to nobody" for code in lost),
        *(f"code {row.code_id}: handed over, but still in stock" for row in early),
        *(f"code {code.pk}: revealed without a record" for code in unrecorded),
        *(f"{line.refund}: refunded as unused, yet its code was looked at" for line in fooled),
        *(f"{line.refund}: refunded in full, yet the buyer has the code" for line in kept.select_related("refund")),
    ]


def append_only_tables_are_guarded() -> Broken:
    """I7: every trigger of the models is installed and switched on."""
    return [
        f"{model._meta.db_table}: trigger {trigger.name} is {status}, enabled: {enabled}"
        for model, trigger in pgtrigger.registered()
        for status, enabled in [trigger.get_installation_status(model)]
        if (status, enabled) != ("INSTALLED", True)
    ]


INVARIANTS: dict[str, Callable[[], Broken]] = {
    "I1": refunds_fit_payments,
    "I2": ledger_says_the_same,
    "I3": numbers_are_used_once,
    "I4": moving_things_have_owners,
    "I5 I8": only_listed_steps_were_taken,
    "I6": postings_balance,
    "I7": append_only_tables_are_guarded,
    "I9": codes_are_where_they_say,
    "I10": who_decides_is_somebody_else,
    "I11": each_case_is_paid_once,
    "I12": parts_sum_up,
}


# --- the channels' books ----------------------------------------------------------------------------------------------

Row = Mapping[str, Any]

OURS: dict[str, dict[str, set[str]]] = {  # channel → its word for a refund → what we may call it
    Channel.WECHAT: {
        "SUCCESS": {AttemptStatus.SUCCEEDED, AttemptStatus.BACK_WITH_MERCHANT},
        "ABNORMAL": {AttemptStatus.RETURNED},
        "CLOSED": {AttemptStatus.CLOSED},
        "PROCESSING": {AttemptStatus.ACCEPTED, AttemptStatus.UNKNOWN},
    },
    Channel.ALIPAY: {  # knows no 受理: until it is done, its query finds nothing
        "SUCCESS": {AttemptStatus.SUCCEEDED},
        "PROCESSING": {AttemptStatus.UNKNOWN},
    },
}


def check_against_books(books: Mapping[str, Any]) -> Broken:
    """I2, I3: the channels' ledgers and ours, to the fen, once all is drained.

    ``books`` is the simulator's ``/_control/ledger``; a row without ``channel`` is WeChat's. Payments there that are
    not ours are left alone: a simulator serves many test databases.
    """
    ours = {payment.payment_no: payment for payment in Payment.objects.select_related("account")}
    attempts = {
        attempt.request_no: attempt
        for attempt in RefundAttempt.objects.exclude(status=AttemptStatus.EXTERNAL).select_related("payment__account")
    }
    paid = [row for row in books["payments"] if row["out_trade_no"] in ours]
    refunds = [row for row in books["refunds"] if row["out_trade_no"] in ours]
    asked_for = {row["out_refund_no"]: row for row in refunds if row["out_refund_no"] in attempts}
    outside = [row for row in refunds if row["out_refund_no"] not in attempts]
    return [
        *_payments_differ(ours, {(_channel(row), row["out_trade_no"]): row for row in paid}),
        *_refunds_differ(attempts, asked_for),
        *_effects_differ(attempts, asked_for),
        *_outside_differs(ours.values(), outside),
    ]


def _channel(row: Row) -> str:
    return str(row.get("channel", Channel.WECHAT.value))


def _payments_differ(ours: Mapping[str, Payment], theirs: Mapping[tuple[str, str], Row]) -> Broken:
    lines = [
        f"{number}: at {channel}, but ours goes through {ours[number].account.channel}"
        for channel, number in theirs
        if channel != ours[number].account.channel
    ]
    for payment in ours.values():
        row = theirs.get((payment.account.channel, payment.payment_no))
        paid = payment.status == PaymentStatus.PAID
        if paid != (row is not None and row["state"] == "SUCCESS"):
            lines.append(f"{payment}: {payment.status} here, {row['state'] if row else 'unknown'} there")
        elif paid and row and (payment.amount_fen, payment.channel_transaction_id) != (
            row["amount_fen"], row["transaction_id"],
        ):  # fmt: skip
            lines.append(f"{payment}: {payment.amount_fen} fen here, {row['amount_fen']} there")
    return lines


def _refunds_differ(attempts: Mapping[str, RefundAttempt], theirs: Mapping[str, Row]) -> Broken:
    lines = []
    never_sent = {AttemptStatus.PREPARED, AttemptStatus.UNKNOWN, AttemptStatus.WAITING_FUNDS, AttemptStatus.HELD}
    for number, attempt in sorted(attempts.items()):
        row = theirs.get(number)
        if row is None:
            # CLOSED may be a final refusal: nothing was created.
            refused = attempt.status == AttemptStatus.CLOSED and attempt.channel_refund_id == ""
            if attempt.status not in never_sent and attempt.first_sent_at is not None and not refused:
                lines.append(f"{number}: {attempt.status} here, unknown there")
        elif (
            attempt.status not in OURS[_channel(row)][row["status"]]
            or attempt.amount_fen != row["amount_fen"]
            or attempt.payment.payment_no != row["out_trade_no"]
        ):
            there = f"{row['status']} {row['amount_fen']} fen there"
            lines.append(f"{number}: {attempt.status} {attempt.amount_fen} fen here, {there}")
    return lines


def _effects_differ(attempts: Mapping[str, RefundAttempt], theirs: Mapping[str, Row]) -> Broken:
    """Money leaves once under a number, and comes back to the merchant if the number says so."""
    lines = []
    for number, row in theirs.items():
        held = (_channel(row), row["status"]) == (Channel.ALIPAY, "PROCESSING")
        if row["effects"] != (not held):
            lines.append(f"{number}: money left {row['effects']} times")
        if row["returns"] != (attempts[number].status in {AttemptStatus.CLOSED, AttemptStatus.BACK_WITH_MERCHANT}):
            lines.append(f"{number}: money came back {row['returns']} times")
    return lines


def _outside_differs(ours: Iterable[Payment], outside: Iterable[Row]) -> Broken:
    """G21: what was refunded without our asking is on the payment."""
    there: dict[str, int] = defaultdict(int)
    for row in outside:
        there[row["out_trade_no"]] += row["amount_fen"] * (row["status"] != "CLOSED")
    return [
        f"{payment}: {there[payment.payment_no]} fen refunded outside us there, {payment.external_fen} known here"
        for payment in ours
        if there[payment.payment_no] != payment.external_fen
    ]


# --- small things -----------------------------------------------------------------------------------------------------


def _signed(prefix: str) -> Case:
    return Case(When(**{f"{prefix}side": Side.DEBIT}, then=F(f"{prefix}amount_fen")), default=-F(f"{prefix}amount_fen"))


def _is_listed(event: RefundEvent, number: int, waits_from: str) -> bool:
    if event.sequence != number:
        return False
    if number == 1:
        return (event.step, event.from_status, event.to_status) == ("submit", "", Status.SUBMITTED)
    step = STEPS.get(event.step)
    if step is None:
        return False
    target = waits_from if step.target == BACK else step.target
    return event.from_status in step.sources and event.to_status == target and event.role in step.who
