"""What a step refuses by, beside the table: who decides on how much, in what time, on which words and goods."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from accounts.roles import Role as R
from orders import masking, stopping
from orders.models import Order
from payments import hearing
from payments.models import RefundAttempt
from payments.transfer_models import TransferStatus
from refunds import doubts, goods, grounds, risk
from refunds.lifecycle.taking import StepRefused, Taken
from refunds.models import (
    Answer,
    Destination,
    Disbursement,
    Lane,
    Offer,
    Queue,
    RedirectTransfer,
    Refund,
    RefundEvent,
    RefundLine,
)
from refunds.models import Status as S

MOST_EVIDENCE_REQUESTS = 2
NOT_CLOSED = _("渠道尚未关闭上一笔退款，再发一笔可能重复退款。请等渠道关闭。")
CLAIM_LASTS = timedelta(minutes=30)

#: 两人: steps by which somebody of the platform is for the money going back, and those after which it starts anew.
FAVORABLE = {
    "uphold", "approve", "approve_second", "grant_appeal", "uphold_appeal", "reopen", "make_offer", "propose_offer",
    "confirm_offer", "reissue_above_limit",
}  # fmt: skip
ANEW = {
    "send_back", "halt", "appeal", "reject", "reject_second", "dismiss_appeal", "turn_down", "offer", "make_offer",
    "propose_offer", "decline_offer", "lapse_offer",
}  # fmt: skip
OF_THE_PLATFORM = {R.REVIEWER, R.SENIOR, R.FINANCE}
OFFERS = {"make_offer", "propose_offer", "confirm_offer"}  # for a part, if the buyer takes it
SENDS_AGAIN = {"reissue", "confirm_redirect"}
DECIDES = {
    "approve", "uphold", "reject", "make_offer", "propose_offer", "approve_second", "reject_second", "confirm_offer",
    "send_back", "close", "halt", "reopen", "grant_appeal", "uphold_appeal", "dismiss_appeal",
}  # fmt: skip


# --- who may decide (I10) ---------------------------------------------------------------------------------------------


def above_limit(refunds: Sequence[Refund], *, offered_fen: int | None = None) -> set[int]:
    """Keys of the cases that two people must be for. All cases of an order count together: splitting helps nobody.

    ``offered_fen``: as if these cases were about so much.
    """
    holding = Refund.objects.filter(order__in=[refund.order_id for refund in refunds], status__in=S.holding_money())
    others = holding.exclude(pk__in=[refund.pk for refund in refunds])
    others_fen = dict(others.values_list("order").annotate(Sum("amount_fen")))
    return {
        refund.pk
        for refund in refunds
        if (refund.amount_fen if offered_fen is None else offered_fen) + others_fen.get(refund.order_id, 0)
        > refund.order.policy.senior_above_fen
    }


def in_favor(events: Sequence[RefundEvent], *, of_all: bool = False) -> set[int]:
    """Who of the platform is for it as it stands, since it was last sent back, halted, refused, appealed or offered
    anew. Nobody of the shop, and not who asked: those never take such a step in such a role.

    Who drafted an offer was for that much and no more. ``of_all``: as asked about the whole sum.
    """
    people: set[int] = set()
    is_draft = False
    for event in events:
        if event.step in ANEW or (is_draft and event.step in FAVORABLE - OFFERS):
            people.clear()
        if event.step in ANEW | FAVORABLE | {"accept_offer"}:
            is_draft = event.step in OFFERS
        if event.step in FAVORABLE and event.actor_id and event.role in OF_THE_PLATFORM:
            people.add(event.actor_id)
    return set() if of_all and is_draft else people


def two_people(taken: Taken, *, of_all: bool = False) -> None:
    """The guard into APPROVED: above the policy's limit two different people are for it, on every way there."""
    me = {taken.by.pk} if taken.by and set(taken.roles.values()) <= OF_THE_PLATFORM else set()  # no buyer counts
    large = above_limit(taken.refunds)
    people = {refund.pk: in_favor(taken.events[refund.pk], of_all=of_all) for refund in taken.refunds}
    if any(len(people[pk] | me) < 2 for pk in large):
        raise StepRefused("needs_second_person", _("同一订单的退款合计超过审批线，须由两位同事先后通过。"))


def somebody_is_for_it(taken: Taken) -> None:
    """What a lane of rules sent above the limit is looked at by people before anything is signed about it: whoever
    confirms the signature is one person only."""
    if any(not in_favor(taken.events[pk]) for pk in above_limit(taken.refunds)):
        raise StepRefused("needs_second_person", _("这笔退款超过审批线，须先由平台复核，财务会与您联系。"))


def within_limit(taken: Taken, *, offered_fen: int | None = None) -> None:
    """For steps that one decision ends: the shop's word, its silence, an offer by one person."""
    if above_limit(taken.refunds, offered_fen=offered_fen):
        raise StepRefused("above_limit", _("同一订单的退款合计超过审批线，须由平台两位同事先后通过。"))


def another_person(taken: Taken) -> None:
    """The second look is somebody else's."""
    if taken.by and any(taken.by.pk in in_favor(taken.events[refund.pk]) for refund in taken.refunds):
        raise StepRefused("same_person", _("您已经通过过这张退款单，复核须由另一位同事进行。"))


def not_who_decided(taken: Taken) -> None:
    """申诉 is decided by somebody who had not decided this case before it (P18): in the appeal, and where a senior sent
    it on or back."""
    for refund in taken.refunds:
        if taken.by and taken.by.pk in decided_before_appeal(taken.events[refund.pk]):
            raise StepRefused("decided_before", _("您审核过这张退款单，申诉须由另一位高级审核员处理。"))


def decided_before_appeal(events: Sequence[RefundEvent]) -> set[int | None]:
    """Whose decision was appealed against, and who had decided before them; empty without an appeal."""
    appealed = max((event.sequence for event in events if event.step == "appeal"), default=0)
    return {event.actor_id for event in events if event.sequence < appealed and event.step in DECIDES}


#: What only whoever claimed the case does (``not_claimed_by_another``).
BY_WHO_CLAIMED = {
    "claim", "hand_over", "request_evidence", "request_more", "approve", "uphold", "reject", "make_offer",
    "propose_offer", "approve_second", "reject_second", "grant_appeal", "uphold_appeal", "dismiss_appeal",
}  # fmt: skip


def not_claimed_by_another(taken: Taken) -> None:
    """认领: whoever has it on their desk decides; a senior, or half an hour, ends that."""
    for refund in taken.refunds:
        if taken.by and is_claimed_by_another(refund, taken.by.pk, taken.at) and taken.roles[refund.pk] != R.SENIOR:
            raise StepRefused("claimed", _("退款单 %(no)s 已由同事认领，请选别的，或请对方转交。") % _no(refund))


def is_claimed_by_another(refund: Refund, person: int, at: datetime) -> bool:
    return (
        refund.claimed_by_id not in {None, person}
        and refund.claimed_at is not None
        and at < refund.claimed_at + CLAIM_LASTS
    )


def not_by_who_decided(taken: Taken) -> None:
    """Who was for it does not release it (I10)."""
    if taken.by is None:
        if any(refund.lane == Lane.STANDARD for refund in taken.refunds):
            raise StepRefused("not_automatic", _("只有自动通道的退款由系统放款。"))
        return
    decided = RefundEvent.objects.filter(refund__in=taken.refunds, step__in=FAVORABLE, actor=taken.by)
    if decided.exists() or _was_second_person(taken):
        raise StepRefused("same_person", _("审核人不能放款，请由另一位同事放款。"))


def _was_second_person(taken: Taken) -> bool:
    """Whose word on money that came back made two of one, above the limit: they were for it, too."""
    me = taken.by.pk if taken.by else None
    for pk in above_limit(taken.refunds):
        spoke = any(e.actor_id == me and e.step in SENDS_AGAIN for e in taken.events[pk])
        if spoke and len(in_favor(taken.events[pk]) - {me}) < 2:
            return True
    return False


# --- in time ----------------------------------------------------------------------------------------------------------


def in_time(taken: Taken) -> None:
    """An answer at the deadline's very second is late (P4): from then on the case goes by silence."""
    for refund in taken.refunds:
        if taken.by and refund.promised_by and taken.at >= refund.promised_by:
            raise StepRefused("too_late", _("退款单 %(no)s 的答复时限已过，由系统按规则处理。") % _no(refund))


def at_most_twice(taken: Taken) -> None:
    for refund in taken.refunds:
        asked = [e for e in taken.events[refund.pk] if e.step in {"request_evidence", "request_more"}]
        if sum(event.from_status == refund.status for event in asked) >= MOST_EVIDENCE_REQUESTS:
            raise StepRefused("asked_twice", _("已要求补充两次，请根据现有材料作出决定。"))


def was_asked(taken: Taken) -> None:
    """Only the side that was asked answers."""
    for refund in taken.refunds:
        if taken.roles[refund.pk] != (R.MERCHANT if refund.queue == Queue.MERCHANT else R.BUYER):
            raise StepRefused("not_yours", _("没有要求您补充材料。"))


# --- one case at a time -----------------------------------------------------------------------------------------------


def no_other_active(taken: Taken) -> None:
    """The order's other case goes first; the unique index would refuse a second active one."""
    orders = [refund.order_id for refund in taken.refunds]
    list(Order.objects.select_for_update(no_key=True).filter(pk__in=orders).order_by("pk"))  # nobody applies meanwhile
    others = Refund.objects.filter(order__in=orders, status__in=S.active())
    other = others.exclude(pk__in=[refund.pk for refund in taken.refunds]).first()
    if other:
        raise StepRefused("already_active", _("订单还有进行中的退款 %(no)s，请先处理它。") % _no(other))


def nothing_since(taken: Taken) -> None:
    """What was refused comes back only while nothing took its place: applying again waives it, and its money must
    still be there."""
    for refund in taken.refunds:
        if Refund.objects.filter(order=refund.order_id, pk__gt=refund.pk).exists():
            raise StepRefused("asked_again", _("这张订单之后又申请过退款，请在那里继续。"))
        if refund.payment.refundable_fen < refund.amount_fen:
            raise StepRefused("nothing_left", _("这张订单的款项已全部退回或正在退回。"))


# --- goods and money --------------------------------------------------------------------------------------------------


def all_go_to(taken: Taken, destination: Destination) -> None:
    """Money goes where the buyer chose, and nowhere else (I13)."""
    for refund in taken.refunds:
        if refund.destination != destination:
            chosen = {"no": refund.refund_no, "destination": Destination(refund.destination).label}
            raise StepRefused("other_destination", _("退款单 %(no)s 的退款去向是“%(destination)s”。") % chosen)


def none_is_on_the_balance(taken: Taken) -> None:
    for refund in taken.refunds:
        if refund.destination == Destination.BALANCE:
            raise StepRefused("other_destination", _("退款单 %(no)s 已退至余额。") % _no(refund))


def not_all_canceled(taken: Taken, message: object) -> None:
    """The money of what is canceled goes back, whoever asked for it. A case that also takes of what was delivered may
    come to nothing: then the canceled part gets a case of its own (``goods.release``)."""
    alive = RefundLine.objects.filter(refund__in=taken.refunds, order_line__cancellation_line=None)
    if {refund.pk for refund in taken.refunds} - set(alive.values_list("refund_id", flat=True)):
        raise StepRefused("canceled", message)


def may_give_back(taken: Taken) -> None:
    """Money that had been on its way came back. Meanwhile the code may be for sale again; or another case has refunded
    the rest, and took the code for that money too: it cannot be given back any more."""
    if goods.are_resold(taken.refunds):
        raise StepRefused("code_is_resold", _("卡密已重新入库出售，不能再还给买家，款项必须退回。"))
    if goods.are_taken_by_others(taken.refunds):
        raise StepRefused("code_is_taken", _("卡密已随另一笔退款收回，不能再还给买家，这笔款项也必须退回。"))


def no_money_waits(taken: Taken) -> None:
    """A case whose money was sent once is not closed with nothing: it came back, and is still the buyer's."""
    if Disbursement.objects.filter(refund__in=taken.refunds).exists():
        raise StepRefused("money_waits", _("这笔退款曾经放款，款项须退回买家，不能以 ¥0 关闭。"))


def nothing_delivered(taken: Taken) -> None:
    """Something of it was canceled, and nothing else was delivered or begun."""
    lines = RefundLine.objects.filter(refund__in=taken.refunds)
    canceled = set(lines.filter(order_line__cancellation_line__isnull=False).values_list("refund_id", flat=True))
    alive = lines.filter(order_line__cancellation_line=None)
    if alive.exclude(order_line__in=stopping.undelivered_lines().values("pk")).exists() or any(
        refund.pk not in canceled for refund in taken.refunds
    ):
        raise StepRefused("not_canceled", _("退款单里有已交付或没有被取消的商品，须由人审核。"))


def nobody_halted(taken: Taken) -> None:
    """What people stopped on suspicion, people release."""
    if any(event.step == "halt" for events in taken.events.values() for event in events):
        raise StepRefused("halted", _("这张退款单曾被拦截，须由人审核。"))


def attempts_are_closed(taken: Taken) -> None:
    """Another beside one that its channel has not closed could pay twice (G7), or that a bill shows as paid."""
    attempts = last_attempts(taken.refunds)
    if any(_is_open(attempt) for attempt in attempts):
        raise StepRefused("attempt_not_closed", NOT_CLOSED)
    none_is_in_doubt([refund for refund, sent in zip(taken.refunds, attempts, strict=True) if sent])


def none_is_in_doubt(sent_before: Sequence[Refund]) -> None:
    """What a bill shows as paid is cleared up before anything is sent beside it (I11)."""
    if sent_before and doubts.of(sent_before):
        raise StepRefused("attempt_not_closed", doubts.PAID_THERE)


def transfers_are_over(taken: Taken) -> None:
    """A transfer that may still reach the buyer, or has, is no money that came back (I11)."""
    over = {TransferStatus.REFUSED, TransferStatus.FAILED}
    if any(transfer and transfer.status not in over for transfer in last_transfers(taken.refunds)):
        raise StepRefused("transfer_open", _("改付的转账还没有结束，不能另作处理。"))


def unclosed(refunds: Sequence[Refund]) -> dict[int, RefundAttempt]:
    """{case: what was last sent for it}, where its channel has not closed that."""
    attempts = zip(refunds, last_attempts(refunds), strict=True)
    return {refund.pk: attempt for refund, attempt in attempts if _is_open(attempt)}


def _is_open(attempt: RefundAttempt | None) -> bool:
    return attempt is not None and attempt.status not in hearing.FINAL


def last_transfers(refunds: Sequence[Refund]) -> list[Any]:
    """The latest transfer of each case, None where there is none."""
    rows = RedirectTransfer.objects.filter(refund__in=refunds).select_related("transfer__payee").order_by("pk")
    latest = {row.refund_id: row.transfer for row in rows}
    return [latest.get(refund.pk) for refund in refunds]


def last_attempts(refunds: Sequence[Refund]) -> list[Any]:
    """The latest attempt of each case, None where there is none."""
    rows = Disbursement.objects.filter(refund__in=refunds).select_related("attempt__payment").order_by("pk")
    latest = {row.refund_id: row.attempt for row in rows.prefetch_related("attempt__payment__account")}
    return [latest.get(refund.pk) for refund in refunds]


def open_offer(refund: Refund) -> Offer:
    """The offer that waits for its answer. Raises StepRefused."""
    found = Offer.objects.select_for_update(no_key=True).filter(refund=refund, answer="").first()
    if found is None:
        raise StepRefused("no_offer", _("没有等待答复的方案。"))
    return found


def drop_offer(refunds: Collection[Refund], answer: Answer, at: datetime) -> None:
    """Whatever ends the talk answers its offer."""
    Offer.objects.filter(refund__in=refunds, answer="").update(answer=answer, answered_at=at)


# --- words ------------------------------------------------------------------------------------------------------------


def demand_note(note: str, message: object) -> None:
    if not note.strip():
        raise StepRefused("note_missing", message)


def demand_a_ground(taken: Taken, ground: str, note: str) -> None:
    """S0-31: a score or a hint alone never refuses anybody; S0-21: nor does "used" without proof from our side."""
    if ground not in grounds.GROUNDS:
        raise StepRefused("unknown_ground", _("请从列表中选择驳回依据。"))
    if risk.quotes_only_hints(note):
        raise StepRefused("hint_is_no_ground", _("风险提示不能单独作为驳回的理由，请写明依据的事实与规则。"))
    if grounds.says_used(ground, note) and grounds.without_proof(taken.refunds):
        raise StepRefused(
            "no_proof_of_use", _("没有发卡方、供应商或买家确认的使用记录，不能以“已使用”驳回；没有证据应当退款。")
        )


def without_codes(refunds: Sequence[Refund], note: str) -> str:
    """What people write is kept for years and read by many: the codes of these orders are cut short in it (PM16)."""
    return masking.mask_own([refund.order_id for refund in refunds], note)


def decide(taken: Taken, note: str) -> None:
    for refund in taken.refunds:
        refund.decided_at, refund.decision_note = taken.at, note


def open_appeal_window(taken: Taken) -> None:
    """S1-17: from the refusal on, once a case."""
    for refund in taken.refunds:
        had_one = any(event.step == "appeal" for event in taken.events[refund.pk])
        days = refund.order.policy.appeal_days
        refund.appeal_until = None if had_one else taken.at + timedelta(days=days)


def _no(refund: Refund) -> dict[str, str]:
    return {"no": refund.refund_no}
