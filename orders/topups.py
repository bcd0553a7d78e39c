"""直充: one request to a supplier, from a committed number to the supplier's final word. Start at ``sweep``.

    prepared ⇄ unknown → accepted → succeeded | failed
       ⇅          ↓ succeeded | failed | stopped
    stopped

Three phases, always: commit the intent, call with no transaction open, commit the outcome. No answer is UNKNOWN, never
a failure: ask again under the same number, since a new one could top up twice, and a refund could pay for what arrives.
Nor is time: once our patience is over the machine goes on asking, and a person asks as well (``topups_by_hand.py``).
Nor is "never heard of it", while what we sent may still be on its way. What we end without the supplier's final word is
asked about afterwards all the same: an opposite one is kept, and told to people.
Only this module moves a top-up, but for ``stopping.stop``, which takes back what has not left us, and ``go_on``.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from time import monotonic

from django.db import transaction

import clock
import workqueue
from accounts.models import User
from accounts.roles import Role
from clock import scaled
from notices import telling
from notices.models import Notice
from orders import cancellation, delivery, recipients
from orders.models import CancellationLine, Cause, IfMissing, Order, OrderLine, TopUp
from orders.models import TopUpStatus as T
from shops.models import SupplierAnswer
from shops.suppliers import registry
from shops.suppliers.asking import ask_all
from shops.suppliers.base import (
    Answer,
    NeverSent,
    SupplierBusy,
    SupplierError,
    SupplierRefused,
    TopUpOrder,
    TopUpState,
)

log = logging.getLogger(__name__)

#: What may follow what.
STEPS: dict[T, frozenset[T]] = {
    T.PREPARED: frozenset({T.UNKNOWN, T.STOPPED}),  # about to be sent; taken back
    # Back, or stopped: nothing had got there after all.
    T.UNKNOWN: frozenset({T.PREPARED, T.ACCEPTED, T.SUCCEEDED, T.FAILED, T.STOPPED}),
    T.ACCEPTED: frozenset({T.SUCCEEDED, T.FAILED}),
    T.SUCCEEDED: frozenset(),
    T.FAILED: frozenset(),
    T.STOPPED: frozenset({T.PREPARED}),  # the refund it was stopped for came to nothing
}
UNDER_WAY = {T.UNKNOWN, T.ACCEPTED}
FINAL = {TopUpState.DONE: T.SUCCEEDED, TopUpState.FAILED: T.FAILED, TopUpState.REFUSED: T.FAILED}

#: Words that speak against what we hold to be the end.
OPPOSITE: dict[T, frozenset[TopUpState]] = {
    T.SUCCEEDED: frozenset({TopUpState.FAILED, TopUpState.REFUSED}),
    T.FAILED: frozenset({TopUpState.DONE}),
    T.STOPPED: frozenset({TopUpState.PENDING, TopUpState.DONE}),
}

BATCH = 50
LEASE = timedelta(minutes=2)
LONGEST_CALL = timedelta(seconds=30)  # twice what ``wire`` allows one: none begins that might outlast its lease
#: From the claim it was sent under. A call that we gave up may lie in a queue out there for minutes, and then land.
LANDS_WITHIN = timedelta(minutes=10)
PAUSES_SECONDS = (2, 5, 10, 30, 60, 120, 300, 600)  # then every ten minutes, as long as it takes
LEAST_PATIENCE = timedelta(hours=1)  # and at least twice the promise of the goods; then a person takes it up, too,
PERSON_WITHIN = timedelta(hours=24)  # and has so long to find out what became of it
NOTICE = "topups_wait"
OPPOSED_NOTICE = "topup_opposed"

Heard = tuple[TopUp, Answer | SupplierError]


def sweep(*, at: datetime) -> int:
    """Send what is new and ask about what is under way, up to a batch. Returns how many were looked at."""
    due, not_now = _claim(at)
    record(ask(due), at=at)
    return len(due) + len(not_now)


def record(answers: Sequence[Heard], *, at: datetime) -> None:
    """Write down what the supplier said: the ends order by order, all that goes on waiting at once."""
    ends: dict[int, list[tuple[TopUp, Answer]]] = defaultdict(list)
    waits: list[Heard] = []
    for topup, said in answers:
        heard = _final_word(said)
        if isinstance(heard, Answer) and (heard.state in FINAL or _is_missing(topup, heard, at)):
            ends[topup.line.order_id].append((topup, heard))
        else:
            waits.append((topup, heard))
    _wait(waits, at)
    for order_id, ended in sorted(ends.items()):
        try:
            _end(order_id, ended, at)
        except Exception:  # one order that cannot be written stops no other (F12)
            log.exception("top-ups of order %s: their end could not be written down", order_id)
            _wait([(topup, SupplierError("not_recorded")) for topup, _ in ended], at)


# --- sending ----------------------------------------------------------------------------------------------------------


def _claim(at: datetime) -> tuple[list[TopUp], list[TopUp]]:
    """What is to be asked about now, each bearing ``first_sent_at`` as it was; and what cannot be sent at present.

    The mark of the first sending is committed here, before a byte leaves. Whoever stops an order meanwhile
    (``stopping.stop``) waits for this row, and then sees the mark; or was first, and the row is not due any more.
    """
    rows = TopUp.objects.select_related("supplier", "line__order")
    with transaction.atomic():
        due = workqueue.claim(rows, at=at, limit=BATCH, lease=LEASE)
        held = [row for row in due if row.status == T.PREPARED and not _may_be_sent(row)]
        ready = [row for row in due if row not in held]
        new = [row.pk for row in ready if row.status == T.PREPARED]
        again = [row.pk for row in ready if row.status == T.UNKNOWN and row.if_missing == IfMissing.SEND]
        TopUp.objects.filter(pk__in=new).update(status=T.UNKNOWN, first_sent_at=at)
        TopUp.objects.filter(pk__in=[*new, *again]).update(last_sent_at=at)
        for row in held:
            _pause(row, "供应商未启用或未配置密钥", at)
        _give_to_people([(row, row.line) for row in held], at)
        TopUp.objects.bulk_update(held, ["tries", "next_due_at", "leased_until", "last_error", "person_due_at"])
    return ready, held


def _may_be_sent(topup: TopUp) -> bool:
    return topup.supplier.is_active and registry.is_set(topup.supplier)


def ask(due: Sequence[TopUp]) -> list[Heard]:
    """Ask about the rows of one claim, as long as its lease lasts: after that somebody else may have, and heard."""
    if not due:
        return []
    left = min(row.leased_until for row in due if row.leased_until) - LONGEST_CALL - clock.now()
    until = monotonic() + left.total_seconds()  # threads touch no database, so its time is read here
    return ask_all(due, lambda row: _ask(row, until))


def _ask(topup: TopUp, until: float) -> Answer:
    """Send what is new; ask about what may be there, and send it again only if the supplier never heard of it."""
    _demand_time(until)
    supplier = registry.of(topup.supplier)
    if topup.first_sent_at is not None or topup.status in OPPOSITE:  # as it was when claimed
        answer = supplier.query(topup.topup_no)
        # What it has taken on is never sent again, whatever it says now; nor what is wanted back, or is over.
        is_to_be_sent = topup.status == T.UNKNOWN and topup.if_missing == IfMissing.SEND
        if answer.state is not TopUpState.NOT_FOUND or not is_to_be_sent:
            return answer
        _demand_time(until)
    return supplier.order(_order(topup))


def _demand_time(until: float) -> None:
    if monotonic() >= until:
        raise NeverSent("lease_over", "not asked in time; somebody else may be asking")


def may_be_on_its_way(topup: TopUp, at: datetime) -> bool:
    """Whether somebody may be sending it at this moment, or asking about it. The row is locked."""
    is_being_sent = topup.last_sent_at is not None and topup.last_sent_at + LEASE > at
    return is_being_sent or (topup.leased_until is not None and topup.leased_until > at)


def _is_missing(topup: TopUp, answer: Answer, at: datetime) -> bool:
    """It got lost on its way, and its buyer has asked for the money meanwhile, or has it back: not sent anew.

    ``at``: not later than the question. Asked too early, it may have been on its way.
    """
    is_lost = answer.state is TopUpState.NOT_FOUND and topup.status == T.UNKNOWN and topup.first_sent_at is not None
    return is_lost and topup.if_missing != IfMissing.SEND and _has_landed(topup, at)


def _has_landed(topup: TopUp, at: datetime) -> bool:
    """Whether all that was ever sent has got there by now, if it ever will."""
    sent_at = topup.last_sent_at or topup.first_sent_at
    return sent_at is None or at >= sent_at + LANDS_WITHIN


def _order(topup: TopUp) -> TopUpOrder:
    """The same content under the same number, always: the order keeps the recipient, the top-up the goods."""
    try:
        recipient = recipients.of(topup.line.order)
    except Exception as error:
        raise NeverSent("recipient", type(error).__name__) from None
    if recipient is None:
        raise NeverSent("recipient", "the order names nobody")
    return TopUpOrder(topup.topup_no, topup.sku, recipient.account, recipient.server)


# --- hearing ----------------------------------------------------------------------------------------------------------


def _final_word(said: Answer | SupplierError) -> Answer | SupplierError:
    """A signed refusal ends a top-up as a failure does: nothing was ordered."""
    if isinstance(said, SupplierRefused) and said.signed is not None:
        return Answer(TopUpState.REFUSED, said.signed, reason=said.message or said.code)
    return said


def _wait(answers: Sequence[Heard], at: datetime) -> None:
    """No end yet: taken on, unknown, or nothing has left us. Two queries, however many."""
    asked = {topup.pk: (topup, answer) for topup, answer in answers}
    with transaction.atomic():
        rows = list(TopUp.objects.select_for_update(no_key=True).filter(pk__in=asked).order_by("pk"))
        _hear_afterwards([(row, asked[row.pk]) for row in rows if row.status in OPPOSITE], at)
        rows = [row for row in rows if row.status in UNDER_WAY and workqueue.is_unchanged(row, asked[row.pk][0])]
        for row in rows:
            _go_on(row, *asked[row.pk], at)
        _give_to_people([(row, asked[row.pk][0].line) for row in rows], at)
        columns = ["status", "first_sent_at", "last_sent_at", "tries", "next_due_at", "leased_until", "last_error",
                   "person_due_at"]  # fmt: skip
        TopUp.objects.bulk_update(rows, columns)


def _go_on(topup: TopUp, asked: TopUp, answer: Answer | SupplierError, at: datetime) -> None:
    if isinstance(answer, Answer) and answer.state is TopUpState.PENDING:
        if topup.status != T.ACCEPTED:
            topup.tries = 0
        _move(topup, T.ACCEPTED)
        return _pause(topup, "", at)
    if _nothing_left_us(topup, asked, answer):
        _move(topup, T.PREPARED)
        topup.first_sent_at = topup.last_sent_at = None  # so that it may still be stopped
    return _pause(topup, str(answer if isinstance(answer, SupplierError) else answer.state), at)


def _nothing_left_us(topup: TopUp, asked: TopUp, answer: Answer | SupplierError) -> bool:
    """This was the first sending, it did not happen or was turned away, and nobody has sent since, or ever before."""
    is_first = asked.first_sent_at is None and asked.last_sent_at is None
    is_ours_alone = is_first and topup.leased_until == asked.leased_until
    if topup.if_missing != IfMissing.SEND:  # asked for back while we sent it: the supplier says that it has nothing
        return False
    return is_ours_alone and topup.status == T.UNKNOWN and isinstance(answer, NeverSent | SupplierBusy)


def _end(order_id: int, ended: Sequence[tuple[TopUp, Answer]], at: datetime) -> None:
    """The supplier's final word, with its proof: handed over, or canceled and on its way back at once (P16)."""
    asked = {topup.pk: (topup, answer) for topup, answer in ended}
    with transaction.atomic():
        orders = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("policy")
        order = orders.get(pk=order_id)
        locked = TopUp.objects.select_for_update(no_key=True, of=("self",)).select_related("line", "supplier")
        rows = list(locked.filter(pk__in=asked).order_by("pk"))
        _hear_afterwards([(row, asked[row.pk]) for row in rows if row.status in OPPOSITE], at)
        rows = [row for row in rows if row.status in UNDER_WAY and workqueue.is_unchanged(row, asked[row.pk][0])]
        missing = [row for row in rows if asked[row.pk][1].state is TopUpState.NOT_FOUND]
        rows = [row for row in rows if row not in missing]
        for row in rows:
            _finish(row, asked[row.pk][1], at)
        _stop_missing(order, missing, at)
        conclude(order, rows, at=at)


def conclude(order: Order, rows: Sequence[TopUp], *, at: datetime, by: User | None = None) -> None:
    """What follows once these have ended: handed over, or canceled. Order and rows are locked by the caller."""
    gone = set(CancellationLine.objects.filter(line__topup__in=rows).values_list("line_id", flat=True))
    open_rows = [row for row in rows if row.line_id not in gone]
    _cancel_refunded(order, [row for row in open_rows if row.if_missing == IfMissing.END], at=at, by=by)
    open_rows = [row for row in open_rows if row.if_missing != IfMissing.END]
    done = [(row.line, None) for row in open_rows if row.status == T.SUCCEEDED]
    failed = [row for row in open_rows if row.status == T.FAILED]
    if done:
        delivery.hand_over(order, done, at=at)
    if failed:
        losses = [(order, [row.line for row in failed])]
        cancellation.cancel_many(losses, cause=Cause.SUPPLIER_FAILED, at=at, by=by, reason=failed[0].reason)


def _cancel_refunded(order: Order, rows: Sequence[TopUp], *, at: datetime, by: User | None) -> None:
    """Their money went back while they were under way. Whatever the supplier says now, it is no delivery; and nothing
    is due, since a case gave it back.
    """
    for is_failed in (True, False):
        lines = [row.line for row in rows if (row.status == T.FAILED) is is_failed]
        cause = Cause.SUPPLIER_FAILED if is_failed else _buyers_cause(order)
        cancellation.cancel_many([(order, lines)] if lines else [], cause=cause, at=at, by=by, is_heard=True)


def _buyers_cause(order: Order) -> Cause:
    return Cause.BUYER if order.overdue_since is None else Cause.LATE


def _stop_missing(order: Order, rows: Sequence[TopUp], at: datetime) -> None:
    """What never got there is stopped while a refund is weighed, and canceled once its money is on its way back."""
    for row in rows:
        # The refund came to nothing while we asked, and it goes on; or it was even sent again since.
        if row.if_missing == IfMissing.SEND or not _has_landed(row, at):
            _pause(row, str(TopUpState.NOT_FOUND), at)
            _give_to_people([(row, row.line)], at)
        else:
            _move(row, T.STOPPED)
            row.first_sent_at = row.person_due_at = None
            _ask_afterwards(row, at)
        row.save(update_fields=["status", "first_sent_at", "tries", "next_due_at", "leased_until", "last_error",
                                "person_due_at"])  # fmt: skip
    over = [row for row in rows if row.status == T.STOPPED and row.if_missing == IfMissing.END]
    ended = OrderLine.objects.filter(topup__in=over)
    lines = list(ended.filter(delivery=None, cancellation_line=None).order_by("position"))
    if lines:
        cancellation.cancel_lines(order, lines, cause=_buyers_cause(order), at=at)


def _finish(topup: TopUp, answer: Answer, at: datetime) -> None:
    proof = registry.keep(topup.supplier, answer, about=_about(topup), at=at)
    assert isinstance(answer.state, TopUpState)  # noqa: S101 - for the type checker
    _move(topup, FINAL[answer.state])
    topup.answer, topup.finished_at, topup.arrived_at = proof, at, answer.effective_at
    topup.reason, topup.last_error = answer.reason[:200], ""
    topup.next_due_at = topup.leased_until = topup.person_due_at = None
    topup.save(update_fields=["status", "answer", "finished_at", "arrived_at", "reason", "last_error", "next_due_at",
                              "leased_until", "person_due_at"])  # fmt: skip


def end_by_hand(topup: TopUp, outcome: T, *, proof: str, by: User, at: datetime) -> None:
    """A person's decision in place of the supplier's signed word. Locked by the caller (``topups_by_hand.py``)."""
    _move(topup, outcome)
    topup.finished_at, topup.decided_by, topup.proof, topup.last_error = at, by, proof, ""
    topup.reason = "平台已向供应商核实" if outcome == T.FAILED else ""
    topup.person_due_at = None
    _ask_afterwards(topup, at)
    topup.save(update_fields=["status", "finished_at", "decided_by", "proof", "last_error", "reason", "tries",
                              "next_due_at", "leased_until", "person_due_at"])  # fmt: skip


# --- ended for us, without the supplier's final word ------------------------------------------------------------------


def _ask_afterwards(topup: TopUp, at: datetime) -> None:
    """Ask once more, when all that was sent has landed, and until it is heard how it ended there. The caller saves."""
    topup.next_due_at, topup.leased_until, topup.tries = at + LANDS_WITHIN, None, 0


def _hear_afterwards(rows: Sequence[tuple[TopUp, Heard]], at: datetime) -> None:
    """What has ended stays ended; what its supplier signs is kept, and an opposite word told. Locked by the caller."""
    if not rows:
        return
    known = set(SupplierAnswer.objects.filter(about__in=[_about(row) for row, _ in rows]).values_list("about", "state"))
    opposed: list[TopUp] = []
    for row, (asked, said) in rows:
        if isinstance(said, Answer) and _is_word(row, said) and (_about(row), said.state.value) not in known:
            registry.keep(asked.supplier, said, about=_about(row), at=at)
            if said.state in OPPOSITE[T(row.status)]:
                log.error("top-up %s is %s, yet its supplier signs %s", row, row.status, said.state)
                opposed.append(row)
    _tell_of_opposites(opposed, at)
    open_rows = [(row, said) for row, (asked, said) in rows if row.next_due_at and workqueue.is_unchanged(row, asked)]
    for row, said in open_rows:
        _ask_afterwards(row, at)
        row.last_error = str(said)[:200] if isinstance(said, SupplierError) else ""
        if isinstance(said, Answer) and said.state is not TopUpState.PENDING:
            row.next_due_at = None  # it is heard how it ended there
    columns = ["next_due_at", "leased_until", "tries", "last_error"]
    TopUp.objects.bulk_update([row for row, _ in open_rows], columns)


def _is_word(topup: TopUp, answer: Answer) -> bool:
    """A final word, or one against what we hold to be the end."""
    return answer.state in FINAL or answer.state in OPPOSITE[T(topup.status)]


def _about(topup: TopUp) -> str:
    return f"topup:{topup.topup_no}"


def _tell_of_opposites(topups: Sequence[TopUp], at: datetime) -> None:
    operators = User.objects.filter(role=Role.OPERATOR, is_staff=True, is_active=True) if topups else []
    telling.tell(
        [
            Notice(
                recipient=operator, kind=OPPOSED_NOTICE, params={"topup_no": topup.topup_no},
                path=f"/admin/orders/topup/{topup.pk}/change/", source=f"topup-opposed:{topup.pk}", created_at=at,
            )
            for operator in operators for topup in topups
        ]
    )  # fmt: skip


# --- our patience is over ---------------------------------------------------------------------------------------------


def patience_ends(topup: TopUp, line: OrderLine) -> datetime:
    """From when on a person asks as well: twice the promise after it was sent, or was to be, and an hour at least."""
    promise = timedelta(minutes=line.product_page["delivery_promise_minutes"])
    return (topup.first_sent_at or topup.created_at) + max(2 * promise, LEAST_PATIENCE)


def last_asked_at(topup: TopUp) -> datetime | None:
    """When it was last asked about, or found that it could not be sent; None if never, or if it is to be at once."""
    return topup.next_due_at - _pause_after(topup.tries - 1) if topup.tries and topup.next_due_at else None


def _give_to_people(rows: Sequence[tuple[TopUp, OrderLine]], at: datetime) -> None:
    """Those that are too long under way lie with the operators as well. The caller saves the rows."""
    late = [row for row, line in rows if row.person_due_at is None and at >= patience_ends(row, line)]
    for row in late:
        row.person_due_at = at + PERSON_WITHIN
    if late:
        _tell_operators(late[0], at)


def _tell_operators(first: TopUp, at: datetime) -> None:
    """One unread notice each, however many wait: the desk has the list of them."""
    operators = User.objects.filter(role=Role.OPERATOR, is_staff=True, is_active=True)
    told = Notice.objects.filter(recipient__in=operators, kind=NOTICE, read_at=None).values("recipient")
    telling.tell(  # told of this very one before, when it waited the first time
        [
            Notice(
                recipient=operator, kind=NOTICE, path="/admin/orders/topup/?queue=person",
                source=f"topup-waits:{first.pk}", created_at=at,
            )
            for operator in operators.exclude(pk__in=told)
        ]
    )  # fmt: skip


def _move(topup: TopUp, status: T) -> None:
    if topup.status != status and status not in STEPS[T(topup.status)]:
        raise ValueError(f"a top-up that is {topup.status} does not become {status}")
    topup.status = status


def _pause(topup: TopUp, error: str, at: datetime) -> None:
    topup.next_due_at, topup.leased_until = at + _pause_after(topup.tries), None
    topup.tries += 1
    topup.last_error = error[:200]


def _pause_after(tries: int) -> timedelta:
    return scaled(PAUSES_SECONDS[min(tries, len(PAUSES_SECONDS) - 1)])
