"""How a step is taken: locked, checked against the table, done, and written down with what follows from it, at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from operator import attrgetter

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

import workqueue
from accounts.models import User
from accounts.roles import Role as R
from orders.models import Order
from records import chain
from refunds import clocking, followups, holding
from refunds.lifecycle.table import BACK, QUEUE_OF, SAME, STEPS, Step
from refunds.models import Lane, Queue, Refund, RefundEvent
from refunds.models import Status as S
from shops import rights
from shops.models import RefundPolicy, ShopMember
from writing import Watch, insert

SWEEP = "refunds.sweep"


class StepRefused(Exception):
    """A step that cannot be taken. ``code`` is for programs; the message says what is, and what to do."""

    def __init__(self, code: str, message: object) -> None:
        super().__init__(str(message))
        self.code = code


@dataclass
class Taken:
    """The cases of a step under way: locked, read after that, in key order."""

    refunds: list[Refund]
    by: User | None
    at: datetime
    roles: dict[int, R] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.where_from = {refund.pk: S(refund.status) for refund in self.refunds}

    @cached_property
    def events(self) -> dict[int, list[RefundEvent]]:
        """The history of each so far, oldest first. Read by the steps that ask for it."""
        found: dict[int, list[RefundEvent]] = {refund.pk: [] for refund in self.refunds}
        for event in RefundEvent.objects.filter(refund__in=self.refunds).order_by("refund_id", "sequence"):
            found[event.refund_id].append(event)
        return found

    @cached_property
    def last_events(self) -> dict[int, RefundEvent]:
        if "events" in vars(self):
            return {key: history[-1] for key, history in self.events.items()}
        return chain.latest(RefundEvent, [refund.pk for refund in self.refunds])


def open_cases(refunds: Sequence[Refund], *, by: User | None, at: datetime) -> None:
    """提交: new cases, each with its first event. Called by ``applying`` and ``cancellations`` alone."""
    for refund in refunds:
        refund.status, refund.shop_id = S.SUBMITTED, refund.order.shop_id
        _own(refund, at)
        clocking.enter(refund, came_from=None, at=at)
        refund.held_fen = holding.due_fen(refund)
    insert(refunds)
    holding.open(refunds, at=at)
    roles = {r.pk: R.SYSTEM if by is None else R.BUYER if by.pk == r.buyer_id else R(by.role) for r in refunds}
    _record(Taken(list(refunds), by, at, roles), "submit", where_from=dict.fromkeys(roles, ""), after={})


@contextmanager
def take(
    name: str,
    refunds: Sequence[Refund],
    *,
    by: User | None,
    at: datetime,
    note: str = "",
    queue: Queue | None = None,
    held: bool = False,
) -> Iterator[Taken]:
    """Lock, check against the table, let the block do the step's own work, then write status and events at once.

    ``queue``: who was asked, where the table leaves that open. ``held``: the caller's transaction has read these very
    objects under lock, each with its payment and its order's policy, and nothing has moved them since; they are taken
    as they are, and stand where the step led them afterwards.
    """
    step = STEPS[name]
    with transaction.atomic():
        taken = Taken(sorted(refunds, key=attrgetter("pk")) if held else _lock(refunds), reread(by), at)
        watch = Watch(taken.refunds, _WRITTEN)
        for refund in taken.refunds:
            _check(step, refund, taken)
        yield taken
        for refund in taken.refunds:
            _move(refund, step, taken, queue)
        numbers = {key: event.sequence + 1 for key, event in taken.last_events.items()}
        holding.follow(taken.refunds, where_from=taken.where_from, sequences=numbers, at=at)
        watch.write()
        _record(taken, name, where_from=taken.where_from, after=taken.last_events, note=note)


_WRITTEN = [
    "status", "queue", "lane", "promised_by", "next_due_at", "leased_until", "tries", "evidence_request",
    "decision_note", "decided_at", "paid_out_at", "arrival_expected_from", "arrival_expected_until",
    "arrival_is_estimate", "arrived_at", "received_account", "entered_at", "reminded_percent", "review_due_at",
    "review_left", "decide_by", "appeal_until", "urged_at", "claimed_by", "claimed_at", "refusal_ground", "amount_fen",
    "fee_fen", "held_fen", "destination",
]  # fmt: skip


def roles_on(refund: Refund, by: User | None) -> frozenset[R]:
    """Who someone is to this case. Who asked is the buyer and nothing else, whatever their job (I10, P7)."""
    if by is None:
        return frozenset({R.SYSTEM})
    if by.pk in {refund.buyer_id, refund.asked_by_id}:
        return frozenset({R.BUYER}) if by.pk == refund.buyer_id else frozenset()
    if refund.order.shop_id in _seats_of(by):
        return frozenset({R.MERCHANT})
    return frozenset({R(by.role)}) - {R.BUYER, R.MERCHANT, R.SYSTEM}


def demand_role(step: Step, refund: Refund, actor: User | None) -> frozenset[R]:
    """Raises StepRefused."""
    roles = roles_on(refund, actor) & step.who
    if not roles:
        raise StepRefused("not_yours", _("您不能对这张退款单做这一步。"))
    demand_charge(refund, actor)
    return roles


def demand_charge(refund: Refund, actor: User | None) -> None:
    """Of a shop's people those answer for it to whom its rights give that. Raises StepRefused."""
    if not is_in_charge(refund, actor):
        raise StepRefused("not_in_charge", _("这家店的退款由店主或店长答复，请转告他们。"))


def is_in_charge(refund: Refund, by: User | None) -> bool:
    """True also of everybody who is not of the shop: then it is not their shop's money."""
    if by is None or by.pk in {refund.buyer_id, refund.asked_by_id}:
        return True
    seat = _seats_of(by).get(refund.order.shop_id)
    return seat is None or seat in rights.TABLE["refunds"]


def reread(by: User | None) -> User | None:
    """Rights are read inside the transaction that needs them. Raises StepRefused."""
    actor = User.objects.filter(pk=by.pk, is_active=True).first() if by else None
    if by and not actor:
        raise StepRefused("no_such_user", _("账号已停用。"))
    return actor


def _seats_of(user: User) -> dict[int, str]:
    """{shop: their role there}. Asked once for each user object, however many cases are looked at."""
    if not hasattr(user, "_seats"):
        rows = ShopMember.objects.filter(user=user).values_list("shop", "role")
        user._seats = dict(rows)  # type: ignore[attr-defined]
    return user._seats  # type: ignore[attr-defined]


def _lock(refunds: Sequence[Refund]) -> list[Refund]:
    """Everything a step looks at is read after the lock: status, rights, history."""
    rows = Refund.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=workqueue.pks(refunds))
    return _with_terms(rows.order_by("pk"), refunds)


def _with_terms(rows: QuerySet[Refund], given: Sequence[Refund]) -> list[Refund]:
    """Each with its payment, its order and the policy of that. Orders share few policies, and reading one takes longer
    than the rest of the case: of many cases each is read once, or taken from ``given``, for a version never changes."""
    if len(given) == 1:
        return list(rows.select_related("order__policy", "payment"))
    cases = list(rows.select_related("order", "payment"))
    orders = [case.order for case in given if Refund.order.is_cached(case)]
    known = {order.policy_id: order.policy for order in orders if Order.policy.is_cached(order)}
    if missing := {case.order.policy_id for case in cases} - known.keys():
        known |= RefundPolicy.objects.in_bulk(missing)
    for case in cases:
        case.order.policy = known[case.order.policy_id]
    return cases


def _check(step: Step, refund: Refund, taken: Taken) -> None:
    roles = demand_role(step, refund, taken.by)
    if S(refund.status) not in step.sources:
        raise wrong_status(refund, since=taken.last_events[refund.pk].at)
    taken.roles[refund.pk] = next(iter(roles))


def wrong_status(refund: Refund, *, since: datetime) -> StepRefused:
    """What is said where the table leads on no more. ``since``: when it came to stand there."""
    return StepRefused(
        "wrong_status",
        _("退款单 %(no)s 已是“%(status)s”（%(at)s），不能再做这一步。请刷新页面。")
        % {
            "no": refund.refund_no,
            "status": S(refund.status).label,
            "at": f"{timezone.localtime(since):%m-%d %H:%M}",
        },
    )


def _move(refund: Refund, step: Step, taken: Taken, queue: Queue | None) -> None:
    """Whose turn it is from now on, and until when. What stays where it is keeps both, as the block left them."""
    refund.leased_until, refund.tries = None, 0
    if step.target == SAME:
        refund.next_due_at = clocking.next_look(refund, at=taken.at)
        return
    came_from = taken.where_from[refund.pk]
    refund.status = _came_from(taken.events[refund.pk]) if step.target == BACK else S(step.target)
    refund.claimed_by, refund.claimed_at = None, None
    _own(refund, taken.at)
    refund.queue = queue or refund.queue
    clocking.enter(refund, came_from=came_from, at=taken.at)


def _own(refund: Refund, at: datetime) -> None:
    refund.queue = Queue.MACHINE if is_automatic(refund) else QUEUE_OF[S(refund.status)]
    refund.leased_until, refund.tries = None, 0


def is_automatic(refund: Refund) -> bool:
    """Approved by a lane of rules: no person releases it."""
    return refund.status == S.APPROVED and refund.lane != Lane.STANDARD


def _came_from(events: Sequence[RefundEvent]) -> S:
    """The status that the case waits away from, read from its own history."""
    asked = next(event for event in reversed(events) if event.to_status == S.AWAITING_EVIDENCE != event.from_status)
    return S(asked.from_status)


def _record(
    taken: Taken, name: str, *, where_from: Mapping[int, str], after: Mapping[int, RefundEvent], note: str = ""
) -> None:
    """Write the events, and what follows from them, in the step's own transaction."""
    rows = [
        RefundEvent(
            refund=refund,
            step=name,
            from_status=where_from[refund.pk],
            to_status=refund.status,
            actor=taken.by,
            role=taken.roles[refund.pk],
            note=note,
            at=taken.at,
        )
        for refund in taken.refunds
    ]
    chain.link(rows, after=after)
    insert(rows)
    followups.tell(rows)
    if any(refund.queue == Queue.MACHINE for refund in taken.refunds):
        workqueue.ring(SWEEP)
