"""The life of a refund: one table, one short function per step. Start reading here.

`_step` is the only code that writes a status: it locks and rereads the cases (in key order), refuses what the table
does not list, runs the step's own block, and writes status and events in the same transaction, for one case or for
fifty. From this table come the buttons, the API's list of allowed steps, the picture in the README, and the test that
every other (status × step × role) is refused.

    submitted ─ pre-check ─→ approved ─ disburse ─→ processing ─→ paid_out ─→ arrived (to the balance: at once)
        │                       ↑                        └──→ returned ─→ (again)
        ├─→ rejected            │
        └─→ first_review ───────┴─→ rejected      first_review ⇄ awaiting_evidence
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

import workqueue
from accounts.models import User
from accounts.roles import Role as R
from orders import masking, stopping
from orders.models import Order
from payments import crediting, hearing, refunding
from payments.models import RefundAttempt
from records import chain
from refunds import evidence, followups, goods, policy, risk
from refunds.models import BalanceCredit, Destination, Disbursement, Lane, Queue, Refund, RefundEvent, RefundLine
from refunds.models import Status as S
from refunds.workdays import arrival_window

SWEEP = "refunds.sweep"
BACK = "back"  # to where the case was before it waited
MOST_EVIDENCE_REQUESTS = 2


@dataclass(frozen=True)
class Step:
    """One row of the table: from where, to where, by whom, and what its button says."""

    sources: frozenset[S]
    target: S | str
    who: frozenset[R]
    title: object = ""  # lazy text: the button; empty for steps that no person takes


def _row(sources: S | set[S], target: S | str, who: set[R], title: object = "") -> Step:
    return Step(frozenset({sources} if isinstance(sources, S) else sources), target, frozenset(who), title)


ABOVE_LIMIT = frozenset({R.SENIOR})  # who decides where the order's refunds exceed its policy's limit

STEPS: dict[str, Step] = {
    # 系统初审, the pre-check
    "auto_approve": _row(S.SUBMITTED, S.APPROVED, {R.SYSTEM}),
    "send_to_review": _row(S.SUBMITTED, S.FIRST_REVIEW, {R.SYSTEM}),
    "turn_down": _row(S.SUBMITTED, S.REJECTED, {R.SYSTEM}),
    # 人工审核, by people
    "request_evidence": _row(S.FIRST_REVIEW, S.AWAITING_EVIDENCE, {R.REVIEWER, R.SENIOR}, _("要求补充材料")),
    "provide_evidence": _row(S.AWAITING_EVIDENCE, BACK, {R.BUYER}, _("补充材料")),
    "lapse_evidence": _row(S.AWAITING_EVIDENCE, BACK, {R.SYSTEM}),
    "approve": _row(S.FIRST_REVIEW, S.APPROVED, {R.REVIEWER, R.SENIOR}, _("通过")),
    "reject": _row(S.FIRST_REVIEW, S.REJECTED, {R.REVIEWER, R.SENIOR}, _("驳回")),
    "escalate": _row(S.FIRST_REVIEW, S.FIRST_REVIEW, {R.SYSTEM}),
    "approve_canceled": _row({S.FIRST_REVIEW, S.AWAITING_EVIDENCE}, S.APPROVED, {R.SYSTEM}),
    "withdraw": _row(
        {S.SUBMITTED, S.FIRST_REVIEW, S.AWAITING_EVIDENCE, S.APPROVED}, S.WITHDRAWN, {R.BUYER}, _("撤销申请")
    ),
    # 放款, money leaves
    "halt": _row(S.APPROVED, S.FIRST_REVIEW, {R.SENIOR, R.FINANCE}, _("拦截")),
    "disburse": _row(S.APPROVED, S.PROCESSING, {R.FINANCE, R.SYSTEM}, _("放款")),
    "credit_balance": _row(S.APPROVED, S.ARRIVED, {R.FINANCE, R.SYSTEM}, _("退至余额")),
    "cannot_send": _row(S.APPROVED, S.RETURNED, {R.SYSTEM}),
    # 到账, by the channel's word
    "mark_paid_out": _row(S.PROCESSING, S.PAID_OUT, {R.SYSTEM}),
    "confirm_arrival": _row(S.PAID_OUT, S.ARRIVED, {R.BUYER, R.SYSTEM}, _("确认到账")),
    "mark_returned": _row({S.PROCESSING, S.PAID_OUT, S.ARRIVED}, S.RETURNED, {R.SYSTEM}),
    "resume": _row(S.RETURNED, S.PROCESSING, {R.SYSTEM}),
    "reissue": _row(S.RETURNED, S.APPROVED, {R.FINANCE}, _("重新原路退款")),
}

AT_REST = {S.REJECTED, S.WITHDRAWN, S.ARRIVED}

# Whose turn it is in each status (I4); APPROVED depends on the lane.
QUEUE_OF: dict[S, Queue] = {
    S.SUBMITTED: Queue.MACHINE,
    S.FIRST_REVIEW: Queue.REVIEWER,
    S.AWAITING_EVIDENCE: Queue.BUYER,
    S.APPROVED: Queue.FINANCE,
    S.PROCESSING: Queue.MACHINE,
    S.PAID_OUT: Queue.MACHINE,
    S.RETURNED: Queue.FINANCE,
    S.REJECTED: Queue.NOBODY,
    S.WITHDRAWN: Queue.NOBODY,
    S.ARRIVED: Queue.NOBODY,
}


class StepRefused(Exception):
    """A step that cannot be taken. ``code`` is for programs; the message says what is, and what to do."""

    def __init__(self, code: str, message: object) -> None:
        super().__init__(str(message))
        self.code = code


# --- system pre-check -------------------------------------------------------------------------------------------------


def auto_approve(refunds: Sequence[Refund], *, at: datetime, lane: Lane) -> None:
    """自动通过: proved by our own records, within the caps."""
    with _step("auto_approve", refunds, by=None, at=at) as taken:
        for refund in taken.refunds:
            refund.lane, refund.decided_at = lane, at


def send_to_review(refunds: Sequence[Refund], *, at: datetime) -> None:
    """转人工: no rule can prove it, so a person looks."""
    with _step("send_to_review", refunds, by=None, at=at):
        pass


def turn_down(refunds: Sequence[Refund], *, at: datetime, note: str) -> None:
    """初审不通过, always with the rule that failed (S1-16)."""
    with _step("turn_down", refunds, by=None, at=at, note=note) as taken:
        _decide(taken, at, note)
        goods.release(taken.refunds, at=at, by=taken.by)


# --- review -----------------------------------------------------------------------------------------------------------


def request_evidence(refunds: Sequence[Refund], *, by: User, at: datetime, note: str) -> None:
    """要求补充材料, in words that the buyer reads; the review's clock stops (S1-12)."""
    _demand_note(note, _("请写明需要买家补充什么。"))
    note = _without_codes(refunds, note)
    with _step("request_evidence", refunds, by=by, at=at, note=note) as taken:
        _at_most_twice(taken)
        for refund in taken.refunds:
            refund.evidence_request = note


def provide_evidence(
    refund: Refund, *, by: User, at: datetime, note: str = "", images: Sequence[evidence.Image] = ()
) -> None:
    """补充材料: the case goes back to its reviewer."""
    if not note.strip() and not images:
        raise StepRefused("evidence_is_empty", _("请写一句说明，或上传一张图片。"))
    with _step("provide_evidence", [refund], by=by, at=at) as taken:
        evidence.store(taken.refunds[0], by=by, at=at, note=note, images=images)
        taken.refunds[0].evidence_request = ""


def lapse_evidence(refunds: Sequence[Refund], *, at: datetime) -> None:
    """补充超时: decided on what is there, never refused by silence."""
    with _step("lapse_evidence", refunds, by=None, at=at):
        pass


def approve(refunds: Sequence[Refund], *, by: User, at: datetime, note: str = "") -> None:
    """审核通过: finance may release the money."""
    note = _without_codes(refunds, note)
    with _step("approve", refunds, by=by, at=at, note=note) as taken:
        _may_decide_this_much(taken)
        _decide(taken, at, note)


def reject(refunds: Sequence[Refund], *, by: User, at: datetime, note: str) -> None:
    """驳回, always with a reason (S1-16); the codes can be viewed again."""
    _demand_note(note, _("请写明驳回的理由，买家会看到这段话。"))
    _demand_a_ground(note)
    note = _without_codes(refunds, note)
    with _step("reject", refunds, by=by, at=at, note=note) as taken:
        _not_all_canceled(taken, _("订单已取消，款项必须退回买家，不能驳回。"))
        _may_give_back(taken)
        _decide(taken, at, note)
        goods.release(taken.refunds, at=at, by=taken.by)


def escalate(refunds: Sequence[Refund], *, at: datetime) -> None:
    """超时升级: the review was late, so a senior owns it now; it never ends by silence."""
    with _step("escalate", refunds, by=None, at=at) as taken:
        for refund in taken.refunds:
            refund.queue = Queue.SENIOR


def approve_canceled(refunds: Sequence[Refund], *, at: datetime) -> None:
    """What it is about was canceled while people looked at it: nothing is left to decide (S4-1)."""
    with _step("approve_canceled", refunds, by=None, at=at) as taken:
        _nothing_delivered(taken)
        _nobody_halted(taken)
        for refund in taken.refunds:
            refund.lane, refund.decided_at, refund.evidence_request = Lane.UNDELIVERED, at, ""


def withdraw(refund: Refund, *, by: User, at: datetime) -> None:
    """撤销, until money is on its way (P9)."""
    with _step("withdraw", [refund], by=by, at=at) as taken:
        _not_all_canceled(taken, _("订单已取消，款项会退回给您，不能撤销。"))
        _may_give_back(taken)
        goods.release(taken.refunds, at=at, by=taken.by)


# --- release ----------------------------------------------------------------------------------------------------------


def halt(refunds: Sequence[Refund], *, by: User, at: datetime, note: str) -> None:
    """拦截 on suspicion, before money leaves: back to review."""
    _demand_note(note, _("请写明拦截的理由。"))
    note = _without_codes(refunds, note)
    with _step("halt", refunds, by=by, at=at, note=note) as taken:
        for refund in taken.refunds:
            refund.decided_at, refund.decision_note = None, ""
            refund.lane = Lane.STANDARD  # whatever lane it came by, people decide and release it now


def disburse(refunds: Sequence[Refund], *, by: User | None, at: datetime) -> None:
    """放款: number, parameters and reserve are committed here; the payments sweeper sends them.

    Doors call ``disbursement.release``, which sets aside what the channel would refuse."""
    with _step("disburse", refunds, by=by, at=at) as taken:
        _all_go_to(taken, Destination.ORIGINAL)
        _not_by_who_decided(taken)
        attempts = refunding.open_attempts(
            [refunding.Instruction(r.payment, r.amount_fen, f"订单 {r.order.order_no} 退款") for r in taken.refunds],
            at=at,
        )
        Disbursement.objects.bulk_create(
            Disbursement(refund=refund, attempt=attempt, released_by=by, created_at=at)
            for refund, attempt in zip(taken.refunds, attempts, strict=True)
        )
        goods.retire(taken.refunds, at=at, by=taken.by)


def credit_balance(refunds: Sequence[Refund], *, by: User | None, at: datetime) -> None:
    """退至余额 by the buyer's own choice (S1-14, S2-10, I13): a posting, no channel, there at once."""
    with _step("credit_balance", refunds, by=by, at=at) as taken:
        _all_go_to(taken, Destination.BALANCE)
        _not_by_who_decided(taken)
        credits = [crediting.Credit(r.payment, r.buyer_id, r.amount_fen, r.refund_no) for r in taken.refunds]
        try:
            crediting.credit(credits, at=at)
        except crediting.ExceedsPayment as error:
            raise StepRefused("exceeds_payment", error) from None
        BalanceCredit.objects.bulk_create(
            BalanceCredit(refund=r, user_id=r.buyer_id, amount_fen=r.amount_fen, released_by=by, created_at=at)
            for r in taken.refunds
        )
        goods.retire(taken.refunds, at=at, by=taken.by)
        for refund in taken.refunds:
            refund.arrived_at = at


def cannot_send(refunds: Sequence[Refund], *, at: datetime, note: str) -> None:
    """无法原路退回, known before calling: over 365 days, 50 parts (G9). To the balance: nothing is left to give."""
    with _step("cannot_send", refunds, by=None, at=at, note=note):
        pass


# --- arrival ----------------------------------------------------------------------------------------------------------


def mark_paid_out(refunds: Sequence[Refund], *, at: datetime) -> None:
    """渠道退款成功. Paid out is not arrived: a bank may still have to clear it, and the page says until when."""
    with _step("mark_paid_out", refunds, by=None, at=at) as taken:
        for refund, attempt in zip(taken.refunds, _last_attempts(taken.refunds), strict=True):
            refund.paid_out_at = attempt.finished_at
            refund.received_account = attempt.received_account
            window = arrival_window(attempt.finished_at or at, attempt.received_account_kind)
            refund.arrival_expected_from, refund.arrival_expected_until = window.earliest, window.latest
            refund.arrival_is_estimate = not window.official


def confirm_arrival(refunds: Sequence[Refund], *, by: User | None, at: datetime) -> None:
    """已到账, on the channel's own proof (a wallet) or the buyer's word; never because time has passed (P17)."""
    with _step("confirm_arrival", refunds, by=by, at=at) as taken:
        for refund in taken.refunds:
            refund.arrived_at = (refund.paid_out_at if by is None else None) or at


def mark_returned(refunds: Sequence[Refund], *, at: datetime, note: str) -> None:
    """退款异常: the channel could not pay the buyer, or took the refund back (PM11)."""
    with _step("mark_returned", refunds, by=None, at=at, note=note) as taken:
        _all_go_to(taken, Destination.ORIGINAL)  # what is on the balance is the buyer's
        for refund in taken.refunds:
            refund.arrived_at = refund.paid_out_at = None


def resume(refunds: Sequence[Refund], *, at: datetime) -> None:
    """The same attempt has succeeded after all."""
    with _step("resume", refunds, by=None, at=at):
        pass


def reissue(refunds: Sequence[Refund], *, by: User, at: datetime) -> None:
    """重新原路退款 under a new number, once the old one is closed, or its money is back with the merchant (G7)."""
    with _step("reissue", refunds, by=by, at=at) as taken:
        _no_other_active(taken)
        for refund, attempt in zip(taken.refunds, open_attempts(taken.refunds), strict=True):
            if attempt:
                raise StepRefused(
                    "attempt_not_closed", _("渠道尚未关闭上一笔退款，再发一笔可能重复退款。请等渠道关闭。")
                )
            refund.lane = Lane.STANDARD  # money goes out by a person's release, whatever lane it came by


# --- what may be done now ---------------------------------------------------------------------------------------------


def allowed_steps(refund: Refund, by: User) -> list[str]:
    """The steps that this person may take on this case now: the buttons, and the API's list."""
    roles = roles_on(refund, by)
    steps = [name for name, step in STEPS.items() if S(refund.status) in step.sources and step.who & roles]
    closed = {"disburse" if refund.destination == Destination.BALANCE else "credit_balance"}
    closed |= {"withdraw"} if refund.cancellation_id else set()
    return [name for name in steps if name not in closed]


def open_attempts(refunds: Sequence[Refund]) -> list[RefundAttempt | None]:
    """What was last sent for each case, where its channel has not closed it: another beside it could pay twice."""
    attempts = _last_attempts(refunds)
    return [attempt if attempt and attempt.status not in hearing.FINAL else None for attempt in attempts]


def above_limit(refunds: Sequence[Refund]) -> set[int]:
    """Keys of the cases that a senior must approve. All cases of an order count together: splitting helps nobody."""
    holding = Refund.objects.filter(order__in=[refund.order_id for refund in refunds], status__in=S.holding_money())
    total_fen = dict(holding.values_list("order").annotate(Sum("amount_fen")))
    return {r.pk for r in refunds if total_fen.get(r.order_id, r.amount_fen) > r.order.policy.senior_above_fen}


def demand_right(name: str, refunds: Sequence[Refund], *, by: User | None) -> None:
    """Refuse who may not take this step, before anything is done in its name. In the caller's transaction."""
    actor = _reread(by)
    for refund in refunds:
        _demand_role(STEPS[name], refund, actor)


def roles_on(refund: Refund, by: User | None) -> frozenset[R]:
    """Who someone is to this case. Who asked is the buyer and nothing else, whatever their job (I10, P7)."""
    if by is None:
        return frozenset({R.SYSTEM})
    if by.pk in {refund.buyer_id, refund.asked_by_id}:
        return frozenset({R.BUYER}) if by.pk == refund.buyer_id else frozenset()
    if refund.order.shop_id in _shops_of(by):
        return frozenset({R.MERCHANT})
    return frozenset({R(by.role)}) - {R.BUYER, R.MERCHANT, R.SYSTEM}


def _shops_of(user: User) -> set[int]:
    """Asked once for each user object, however many cases are looked at."""
    if not hasattr(user, "_shop_ids"):
        user._shop_ids = set(user.shops.values_list("pk", flat=True))  # type: ignore[attr-defined]
    return user._shop_ids  # type: ignore[attr-defined]


# --- guards -----------------------------------------------------------------------------------------------------------


def _may_decide_this_much(taken: _Taken) -> None:
    """Above the policy's limit a senior decides; with finance's release that is two different people at least."""
    if any(taken.roles[key] not in ABOVE_LIMIT for key in above_limit(taken.refunds)):
        raise StepRefused("above_your_limit", _("同一订单的退款合计超过审批线，须由高级审核员审批。"))


def _not_by_who_decided(taken: _Taken) -> None:
    """Who approved does not release (I10)."""
    if taken.by is None:
        if any(refund.lane == Lane.STANDARD for refund in taken.refunds):
            raise StepRefused("not_automatic", _("只有自动通道的退款由系统放款。"))
        return
    decided = RefundEvent.objects.filter(refund__in=taken.refunds, step="approve", actor=taken.by)
    if decided.exists():
        raise StepRefused("same_person", _("审核人不能放款，请由另一位同事放款。"))


def _all_go_to(taken: _Taken, destination: Destination) -> None:
    """Money goes where the buyer chose, and nowhere else (I13)."""
    for refund in taken.refunds:
        if refund.destination != destination:
            chosen = {"no": refund.refund_no, "destination": Destination(refund.destination).label}
            raise StepRefused("other_destination", _("退款单 %(no)s 的退款去向是“%(destination)s”。") % chosen)


def _no_other_active(taken: _Taken) -> None:
    """The order's other case goes first; the unique index would refuse a second active one."""
    orders = [refund.order_id for refund in taken.refunds]
    list(Order.objects.select_for_update(no_key=True).filter(pk__in=orders).order_by("pk"))  # nobody applies meanwhile
    other = Refund.objects.filter(order__in=orders, status__in=S.active()).first()
    if other:
        raise StepRefused("already_active", _("订单还有进行中的退款 %(no)s，请先处理它。") % {"no": other.refund_no})


def _at_most_twice(taken: _Taken) -> None:
    for refund in taken.refunds:
        if sum(event.step == "request_evidence" for event in taken.events[refund.pk]) >= MOST_EVIDENCE_REQUESTS:
            raise StepRefused("asked_twice", _("已要求补充两次，请根据现有材料作出决定。"))


def _not_all_canceled(taken: _Taken, message: object) -> None:
    """The money of what is canceled goes back, whoever asked for it. A case that also takes of what was delivered may
    come to nothing: then the canceled part gets a case of its own (``goods.release``)."""
    alive = RefundLine.objects.filter(refund__in=taken.refunds, order_line__cancellation_line=None)
    if {refund.pk for refund in taken.refunds} - set(alive.values_list("refund_id", flat=True)):
        raise StepRefused("canceled", message)


def _may_give_back(taken: _Taken) -> None:
    """Money that had been on its way came back. Meanwhile the code may be for sale again; or another case has refunded
    the rest, and took the code for that money too: it cannot be given back any more."""
    if goods.are_resold(taken.refunds):
        raise StepRefused("code_is_resold", _("卡密已重新入库出售，不能再还给买家，款项必须退回。"))
    if goods.are_taken_by_others(taken.refunds):
        raise StepRefused("code_is_taken", _("卡密已随另一笔退款收回，不能再还给买家，这笔款项也必须退回。"))


def _nothing_delivered(taken: _Taken) -> None:
    """Something of it was canceled, and nothing else was delivered or begun."""
    lines = RefundLine.objects.filter(refund__in=taken.refunds)
    canceled = set(lines.filter(order_line__cancellation_line__isnull=False).values_list("refund_id", flat=True))
    alive = lines.filter(order_line__cancellation_line=None)
    if alive.exclude(order_line__in=stopping.undelivered_lines().values("pk")).exists() or any(
        refund.pk not in canceled for refund in taken.refunds
    ):
        raise StepRefused("not_canceled", _("退款单里有已交付或没有被取消的商品，须由人审核。"))


def _nobody_halted(taken: _Taken) -> None:
    """What people stopped on suspicion, people release."""
    if any(event.step == "halt" for events in taken.events.values() for event in events):
        raise StepRefused("halted", _("这张退款单曾被拦截，须由人审核。"))


def _demand_note(note: str, message: object) -> None:
    if not note.strip():
        raise StepRefused("note_missing", message)


def _demand_a_ground(note: str) -> None:
    """S0-31: a score or a hint alone never refuses anybody."""
    if risk.quotes_only_hints(note):
        raise StepRefused("hint_is_no_ground", _("风险提示不能单独作为驳回的理由，请写明依据的事实与规则。"))


def _without_codes(refunds: Sequence[Refund], note: str) -> str:
    """What staff write is kept for years and read by many: the codes of these orders are cut short in it (PM16)."""
    return masking.mask_own([refund.order_id for refund in refunds], note)


def _decide(taken: _Taken, at: datetime, note: str) -> None:
    for refund in taken.refunds:
        refund.decided_at, refund.decision_note = at, note


def _last_attempts(refunds: Sequence[Refund]) -> list[Any]:
    """The latest attempt of each case, None where there is none."""
    rows = Disbursement.objects.filter(refund__in=refunds).select_related("attempt").order_by("pk")
    latest = {row.refund_id: row.attempt for row in rows}
    return [latest.get(refund.pk) for refund in refunds]


# --- how a step is taken ----------------------------------------------------------------------------------------------


@dataclass
class _Taken:
    """The cases of a step under way: locked, reread, in key order."""

    refunds: list[Refund]
    by: User | None
    roles: dict[int, R]
    events: dict[int, list[RefundEvent]]
    where_from: dict[int, S] = field(default_factory=dict)


def open_cases(refunds: Sequence[Refund], *, by: User | None, at: datetime) -> None:
    """提交: new cases, each with its first event. Called by ``applying`` alone."""
    for refund in refunds:
        _enter(refund, S.SUBMITTED, at)
    Refund.objects.bulk_create(refunds)
    roles = {r.pk: R.SYSTEM if by is None else R.BUYER if by.pk == r.buyer_id else R(by.role) for r in refunds}
    nothing: dict[int, list[RefundEvent]] = {refund.pk: [] for refund in refunds}
    _record(refunds, "submit", dict.fromkeys(roles, ""), by, roles, nothing, "", at)


@contextmanager
def _step(name: str, refunds: Sequence[Refund], *, by: User | None, at: datetime, note: str = "") -> Iterator[_Taken]:
    """Lock, check against the table, let the block do the step's own work, then write status and events at once."""
    step = STEPS[name]
    with transaction.atomic():
        taken = _lock(refunds, by)
        for refund in taken.refunds:
            _check(name, step, refund, taken)
        yield taken
        for refund in taken.refunds:
            target = _came_from(taken.events[refund.pk]) if step.target == BACK else S(step.target)
            keep_queue = refund.queue if name == "escalate" else None
            _enter(refund, target, at)
            refund.queue = keep_queue or refund.queue
        Refund.objects.bulk_update(taken.refunds, _WRITTEN)
        _record(taken.refunds, name, taken.where_from, by, taken.roles, taken.events, note, at)


_WRITTEN = [
    "status", "queue", "lane", "promised_by", "next_due_at", "leased_until", "tries", "evidence_request",
    "decision_note", "decided_at", "paid_out_at", "arrival_expected_from", "arrival_expected_until",
    "arrival_is_estimate", "arrived_at", "received_account",
]  # fmt: skip


def _lock(refunds: Sequence[Refund], by: User | None) -> _Taken:
    """Everything a step looks at is read after the lock: status, rights, history."""
    rows = Refund.objects.select_for_update(no_key=True, of=("self",)).select_related("order__policy", "payment")
    locked = list(rows.filter(pk__in=workqueue.pks(refunds)).order_by("pk"))
    actor = _reread(by)
    events: dict[int, list[RefundEvent]] = {refund.pk: [] for refund in locked}
    for event in RefundEvent.objects.filter(refund__in=locked).order_by("refund_id", "sequence"):
        events[event.refund_id].append(event)
    return _Taken(locked, actor, {}, events, {refund.pk: S(refund.status) for refund in locked})


def _reread(by: User | None) -> User | None:
    actor = User.objects.filter(pk=by.pk, is_active=True).first() if by else None
    if by and not actor:
        raise StepRefused("no_such_user", _("账号已停用。"))
    return actor


def _check(name: str, step: Step, refund: Refund, taken: _Taken) -> None:
    roles = _demand_role(step, refund, taken.by)
    if S(refund.status) not in step.sources:
        last = taken.events[refund.pk][-1]
        raise StepRefused(
            "wrong_status",
            _("退款单 %(no)s 已是“%(status)s”（%(at)s），不能再做这一步。请刷新页面。")
            % {"no": refund.refund_no, "status": S(refund.status).label, "at": f"{last.at:%m-%d %H:%M}"},
        )
    taken.roles[refund.pk] = next(iter(roles))


def _demand_role(step: Step, refund: Refund, actor: User | None) -> frozenset[R]:
    roles = roles_on(refund, actor) & step.who
    if not roles:
        raise StepRefused("not_yours", _("您不能对这张退款单做这一步。"))
    return roles


def _enter(refund: Refund, status: S, at: datetime) -> None:
    """What entering a status means for the clocks: whose turn it is, until when, and when a machine looks again."""
    terms = refund.order.policy
    lasts = policy.promise(
        status,
        Lane(refund.lane),
        review_hours=refund.review_hours or terms.review_hours,
        evidence_hours=terms.evidence_hours,
    )
    automatic = status == S.APPROVED and refund.lane != Lane.STANDARD
    refund.status = status
    refund.queue = Queue.MACHINE if automatic else QUEUE_OF[status]
    refund.promised_by = at + lasts if lasts else None
    refund.next_due_at = at if status == S.SUBMITTED or automatic else refund.promised_by
    refund.leased_until, refund.tries = None, 0
    if status == S.PAID_OUT:
        refund.next_due_at = followups.after_arrival_window(refund)


def _came_from(events: Sequence[RefundEvent]) -> S:
    """The status that the case waits away from, read from its own history."""
    asked = next(event for event in reversed(events) if event.to_status == S.AWAITING_EVIDENCE)
    return S(asked.from_status)


def _record(
    refunds: Sequence[Refund],
    name: str,
    where_from: Mapping[int, str],
    by: User | None,
    roles: dict[int, R],
    events: dict[int, list[RefundEvent]],
    note: str,
    at: datetime,
) -> None:
    """Write the events, and what follows from them, in the step's own transaction."""
    rows = [
        RefundEvent(
            refund=refund,
            step=name,
            from_status=where_from[refund.pk],
            to_status=refund.status,
            actor=by,
            role=roles[refund.pk],
            note=note,
            at=at,
        )
        for refund in refunds
    ]
    chain.link(rows, after={key: history[-1] for key, history in events.items() if history})
    RefundEvent.objects.bulk_create(rows)
    followups.tell(rows)
    if any(refund.queue == Queue.MACHINE for refund in refunds):
        workqueue.ring(SWEEP)
