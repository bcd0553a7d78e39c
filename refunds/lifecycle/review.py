"""人工审核: people of the platform claim, ask, decide; what is late goes up, and nothing ends by their silence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.roles import Role as R
from refunds import clocking, evidence, goods
from refunds.lifecycle import guards
from refunds.lifecycle.taking import StepRefused, reread, roles_on, take
from refunds.models import Answer, Consultation, Lane, Queue, Refund

# --- whose desk it is on ----------------------------------------------------------------------------------------------


def claim(refunds: Sequence[Refund], *, by: User, at: datetime) -> None:
    """认领: on my desk, so that two colleagues do not read the same case."""
    with take("claim", refunds, by=by, at=at) as taken:
        guards.not_claimed_by_another(taken)
        for refund in taken.refunds:
            refund.claimed_by, refund.claimed_at = taken.by, at


def hand_over(refunds: Sequence[Refund], *, by: User, at: datetime, note: str = "", to: User | None = None) -> None:
    """转交 to a colleague who may decide it, or back to the queue."""
    note = guards.without_codes(refunds, note)
    with take("hand_over", refunds, by=by, at=at, note=note) as taken:
        guards.not_claimed_by_another(taken)
        colleague = reread(to)
        for refund in taken.refunds:
            if colleague and not roles_on(refund, colleague) & {R.REVIEWER, R.SENIOR}:
                raise StepRefused("not_theirs", _("这位同事不能审核这张退款单，请转交给别人。"))
            refund.claimed_by, refund.claimed_at = colleague, at if colleague else None


# --- what is asked ----------------------------------------------------------------------------------------------------


def request_evidence(refunds: Sequence[Refund], *, by: User, at: datetime, note: str, of: str = "buyer") -> None:
    """要求补充材料 of the buyer or of the shop (``of``: "buyer", "merchant"), in words that they read; the review's
    clock stands (S1-12)."""
    _request("request_evidence", refunds, by=by, at=at, note=note, of=of)


def request_more(refunds: Sequence[Refund], *, by: User, at: datetime, note: str, of: str = "buyer") -> None:
    """As ``request_evidence``, in the second review or an appeal."""
    _request("request_more", refunds, by=by, at=at, note=note, of=of)


def _request(name: str, refunds: Sequence[Refund], *, by: User, at: datetime, note: str, of: str) -> None:
    guards.demand_note(note, _("请写明需要对方补充什么。"))
    note = guards.without_codes(refunds, note)
    with take(name, refunds, by=by, at=at, note=note, queue=Queue.MERCHANT if of == "merchant" else None) as taken:
        guards.not_claimed_by_another(taken)
        guards.at_most_twice(taken)
        for refund in taken.refunds:
            refund.evidence_request = note


def provide_evidence(
    refund: Refund, *, by: User, at: datetime, note: str = "", images: Sequence[evidence.Image] = ()
) -> None:
    """补充材料, by the side that was asked: the case goes back to its reviewer."""
    if not note.strip() and not images:
        raise StepRefused("evidence_is_empty", _("请写一句说明，或上传一张图片。"))
    with take("provide_evidence", [refund], by=by, at=at) as taken:
        guards.was_asked(taken)
        evidence.store(taken.refunds[0], by=by, at=at, note=note, images=images)
        taken.refunds[0].evidence_request = ""


def lapse_evidence(refunds: Sequence[Refund], *, at: datetime) -> None:
    """补充超时: decided on what is there, never refused by silence."""
    with take("lapse_evidence", refunds, by=None, at=at):
        pass


def consult(refund: Refund, *, by: User, at: datetime, note: str, whom: str = "supplier") -> None:
    """向第三方核实: the supplier or a technician is asked, with a clock of its own; the buyer is told that it takes
    longer (S2-8, S3-11). ``whom``: "supplier", "technician"."""
    guards.demand_note(note, _("请写明要核实什么。"))
    note = guards.without_codes([refund], note)
    with take("consult", [refund], by=by, at=at) as taken:
        case = taken.refunds[0]
        if Consultation.objects.filter(refund=case, answer="").exists():
            raise StepRefused("consulted", _("已有一项核实在进行，请先记录它的结果。"))
        clocking.extend(case, case.order.policy.consult_hours, at=at)
        Consultation.objects.create(
            refund=case, whom=whom, question=note, asked_by=by, asked_at=at, due_at=case.promised_by or at
        )


def record_answer(refund: Refund, *, by: User, at: datetime, note: str) -> None:
    """记录核实结果: what they said, written down by whoever heard it."""
    guards.demand_note(note, _("请写明对方的答复。"))
    note = guards.without_codes([refund], note)
    with take("record_answer", [refund], by=by, at=at) as taken:
        asked = Consultation.objects.select_for_update(no_key=True).filter(refund=taken.refunds[0], answer="").first()
        if asked is None:
            raise StepRefused("not_consulted", _("没有等待结果的核实。"))
        asked.answer, asked.answered_by, asked.answered_at = note, taken.by, at
        asked.save(update_fields=["answer", "answered_by", "answered_at"])


# --- what is decided --------------------------------------------------------------------------------------------------


def approve(refunds: Sequence[Refund], *, by: User, at: datetime, note: str = "") -> None:
    """审核通过: finance may release the money."""
    note = guards.without_codes(refunds, note)
    with take("approve", refunds, by=by, at=at, note=note) as taken:
        guards.not_claimed_by_another(taken)
        guards.two_people(taken)
        guards.decide(taken, note)


def uphold(refunds: Sequence[Refund], *, by: User, at: datetime, note: str = "") -> None:
    """通过，提交复核: the first of two people; needed above the limit, allowed below it."""
    note = guards.without_codes(refunds, note)
    with take("uphold", refunds, by=by, at=at, note=note) as taken:
        guards.not_claimed_by_another(taken)


def reject(refunds: Sequence[Refund], *, by: User, at: datetime, note: str, ground: str = "other") -> None:
    """驳回, always with a ground and a reason (S1-16); unseen codes can be viewed again, which ends the appeal."""
    _reject("reject", refunds, by=by, at=at, note=note, ground=ground)


def approve_second(refunds: Sequence[Refund], *, by: User, at: datetime, note: str = "") -> None:
    """复核通过, by somebody else."""
    note = guards.without_codes(refunds, note)
    with take("approve_second", refunds, by=by, at=at, note=note) as taken:
        guards.not_claimed_by_another(taken)
        guards.another_person(taken)
        guards.two_people(taken, of_all=True)
        guards.drop_offer(taken.refunds, Answer.DROPPED, at)
        guards.decide(taken, note)


def reject_second(refunds: Sequence[Refund], *, by: User, at: datetime, note: str, ground: str = "other") -> None:
    """复核驳回."""
    _reject("reject_second", refunds, by=by, at=at, note=note, ground=ground)


def send_back(refunds: Sequence[Refund], *, by: User, at: datetime, note: str) -> None:
    """退回初审, with what was not looked at; who was for it does not count any more."""
    guards.demand_note(note, _("请写明退回的理由，同事会看到。"))
    note = guards.without_codes(refunds, note)
    with take("send_back", refunds, by=by, at=at, note=note) as taken:
        guards.drop_offer(taken.refunds, Answer.DROPPED, at)


def close(refunds: Sequence[Refund], *, by: User, at: datetime, note: str) -> None:
    """关闭, ¥0 with a reason (PM14): settled elsewhere, or asked for by mistake."""
    guards.demand_note(note, _("请写明关闭的理由，买家会看到这段话。"))
    note = guards.without_codes(refunds, note)
    with take("close", refunds, by=by, at=at, note=note) as taken:
        guards.not_all_canceled(taken, _("订单已取消，款项必须退回买家，不能关闭。"))
        guards.no_money_waits(taken)
        guards.not_who_decided(taken)
        guards.drop_offer(taken.refunds, Answer.DROPPED, at)
        guards.decide(taken, note)
        goods.release(taken.refunds, at=at, by=taken.by)


def _reject(name: str, refunds: Sequence[Refund], *, by: User, at: datetime, note: str, ground: str) -> None:
    guards.demand_note(note, _("请写明驳回的理由，买家会看到这段话。"))
    with take(name, refunds, by=by, at=at, note=guards.without_codes(refunds, note)) as taken:
        guards.demand_a_ground(taken, ground, note)
        guards.not_claimed_by_another(taken)
        refuse(taken, guards.without_codes(refunds, note), ground)


def refuse(taken: guards.Taken, note: str, ground: str) -> None:
    """What every refusal does, in its step."""
    guards.not_all_canceled(taken, _("订单已取消，款项必须退回买家，不能驳回。"))
    guards.may_give_back(taken)
    guards.not_who_decided(taken)
    guards.drop_offer(taken.refunds, Answer.DROPPED, taken.at)
    guards.decide(taken, note)
    guards.open_appeal_window(taken)
    for refund in taken.refunds:
        refund.refusal_ground = ground
    goods.release(taken.refunds, at=taken.at, by=taken.by)


# --- what time, the buyer and the order do ----------------------------------------------------------------------------

NEXT_UP = {Queue.REVIEWER: Queue.SENIOR, Queue.SENIOR: Queue.OPERATOR}


def escalate(refunds: Sequence[Refund], *, at: datetime) -> None:
    """超时升级: the review was late, so a senior owns it, then the operator hears of it; it never ends by silence."""
    with take("escalate", refunds, by=None, at=at) as taken:
        for refund in taken.refunds:
            is_last_day = refund.decide_by is not None and at >= refund.decide_by
            refund.queue = Queue.OPERATOR if is_last_day else NEXT_UP.get(Queue(refund.queue), Queue.OPERATOR)
            refund.claimed_by, refund.claimed_at = None, None
            clocking.extend(refund, clocking.ESCALATED_HOURS, at=at)


def extend(refund: Refund, *, at: datetime, note: str, hours: float) -> None:
    """延长审核 by so many hours of its own clock, never less, while somebody investigates the shop; the buyer reads why
    and until when (S2-17). ``support.complaints`` asks for it, once a complaint, and keeps whose decision it was."""
    note = guards.without_codes([refund], note)
    with take("extend", [refund], by=None, at=at, note=note) as taken:
        clocking.put_off(taken.refunds[0], hours, at=at)


def urge(refund: Refund, *, by: User, at: datetime) -> None:
    """催办 (S0-18, conflict 10): it goes first in its queue; when, and how often, is the policy's."""
    with take("urge", [refund], by=by, at=at) as taken:
        case = taken.refunds[0]
        if at < (since := clocking.may_urge_from(case)):
            when = {"when": f"{clocking.local(since):%m-%d %H:%M}"}
            raise StepRefused("too_early", _("%(when)s 起可以催办。") % when)
        case.urged_at = at


def approve_canceled(refunds: Sequence[Refund], *, at: datetime) -> None:
    """What it is about was canceled while people looked at it: nothing is left to decide (S4-1)."""
    with take("approve_canceled", refunds, by=None, at=at) as taken:
        guards.nothing_delivered(taken)
        guards.nobody_halted(taken)
        guards.drop_offer(taken.refunds, Answer.DROPPED, at)
        for refund in taken.refunds:
            refund.lane, refund.decided_at, refund.evidence_request = Lane.UNDELIVERED, at, ""


def withdraw(refund: Refund, *, by: User, at: datetime) -> None:
    """撤销, until money is on its way (P9)."""
    with take("withdraw", [refund], by=by, at=at) as taken:
        guards.not_all_canceled(taken, _("订单已取消，款项会退回给您，不能撤销。"))
        guards.may_give_back(taken)
        guards.drop_offer(taken.refunds, Answer.DECLINED, at)
        goods.release(taken.refunds, at=at, by=taken.by)
