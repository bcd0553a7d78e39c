"""到账与退款异常: what the channel says became of the money, and what people do when it came back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from money import yuan
from refunds import arrival_times, clocking
from refunds.lifecycle import guards
from refunds.lifecycle.taking import StepRefused, take
from refunds.models import Destination, Lane, Queue, RedirectAgreement, Refund

REDIRECT_TERMS = _(
    "退款方式变更协议：退款单 %(no)s 的原路退款未能入账，我同意将 %(amount)s 改退至我在本站的余额账户。"
    "本协议经我登录后签署，由平台另一位工作人员确认后生效。"
)


def mark_paid_out(refunds: Sequence[Refund], *, at: datetime) -> None:
    """渠道退款成功. Paid out is not arrived: a bank may still have to clear it, and the page says until when."""
    with take("mark_paid_out", refunds, by=None, at=at) as taken:
        attempts = guards.last_attempts(taken.refunds)
        for refund, attempt in zip(taken.refunds, attempts, strict=True):
            refund.paid_out_at = attempt.finished_at
            refund.received_account = attempt.received_account
        arrival_times.expect(taken.refunds, attempts, at=at)


def confirm_arrival(refunds: Sequence[Refund], *, by: User | None, at: datetime) -> None:
    """已到账, on the channel's own proof (a wallet) or the buyer's word; never because time has passed (P17)."""
    with take("confirm_arrival", refunds, by=by, at=at) as taken:
        for refund in taken.refunds:
            refund.arrived_at = (refund.paid_out_at if by is None else None) or at


def report_missing(refund: Refund, *, by: User, at: datetime) -> None:
    """没有收到, after the day on which it was expected (S0-16, S0-25): support looks, with the channel's proof."""
    with take("report_missing", [refund], by=by, at=at) as taken:
        case = taken.refunds[0]
        if not clocking.is_missing(case, at=at):
            raise StepRefused("too_early", _("还没有超过预计到账日；超过后仍未到账，可在这里告诉我们。"))
        if case.queue == Queue.REVIEWER:
            raise StepRefused("reported", _("已收到您的反馈，客服正在向渠道核实，请勿重复提交。"))
        case.queue = Queue.REVIEWER
        clocking.extend(case, clocking.MISSING_HOURS, at=at)


def explain_missing(refund: Refund, *, by: User, at: datetime, note: str) -> None:
    """答复未到账: what the channel says, with its number, in words that the buyer reads."""
    guards.demand_note(note, _("请写明渠道的答复与凭证，买家会看到这段话。"))
    note = guards.without_codes([refund], note)
    with take("explain_missing", [refund], by=by, at=at, note=note) as taken:
        if taken.refunds[0].queue in {Queue.MACHINE, Queue.NOBODY}:
            raise StepRefused("wrong_status", _("买家没有反映未到账，或已经答复过。"))
        taken.refunds[0].queue = Queue.NOBODY
        taken.refunds[0].promised_by = None


def mark_returned(refunds: Sequence[Refund], *, at: datetime, note: str) -> None:
    """退款异常: the channel could not pay the buyer, or took the refund back (PM11)."""
    with take("mark_returned", refunds, by=None, at=at, note=note) as taken:
        guards.all_go_to(taken, Destination.ORIGINAL)  # what is on the balance is the buyer's
        for refund in taken.refunds:
            refund.arrived_at = refund.paid_out_at = None


def resume(refunds: Sequence[Refund], *, at: datetime) -> None:
    """The same attempt has succeeded after all, the original way, whatever was confirmed since."""
    with take("resume", refunds, by=None, at=at) as taken:
        for refund in taken.refunds:
            refund.destination = Destination.ORIGINAL


def reissue(refunds: Sequence[Refund], *, by: User, at: datetime) -> None:
    """重新原路退款 under a new number, once the old one is closed, or its money is back with the merchant (G7)."""
    with take("reissue", refunds, by=by, at=at) as taken:
        guards.no_other_active(taken)
        guards.attempts_are_closed(taken)
        guards.two_people(taken)
        for refund in taken.refunds:
            refund.lane = Lane.STANDARD  # money goes out by a person's release, whatever lane it came by


def reissue_above_limit(refunds: Sequence[Refund], *, by: User, at: datetime) -> None:
    """As ``reissue``, where a lane of rules had decided on so much alone: a second person looks first."""
    with take("reissue_above_limit", refunds, by=by, at=at) as taken:
        guards.no_other_active(taken)
        guards.attempts_are_closed(taken)
        for refund in taken.refunds:
            refund.lane = Lane.STANDARD


def sign_redirect(refund: Refund, *, by: User, at: datetime) -> None:
    """签署退款方式变更协议 (S2-28, I13): to the buyer's own balance, once the original route has failed for good."""
    with take("sign_redirect", [refund], by=by, at=at) as taken:
        case = taken.refunds[0]
        guards.attempts_are_closed(taken)
        guards.somebody_is_for_it(taken)
        if by.is_guest or case.asked_by_id != case.buyer_id:
            raise StepRefused("no_balance", _("这笔退款不能改退至余额，财务会联系您确认收款方式。"))
        RedirectAgreement.objects.create(
            refund=case, destination=Destination.BALANCE, text=redirect_terms(case), signed_by=by, signed_at=at
        )


def redirect_terms(refund: Refund) -> str:
    """退款方式变更协议 about this case, as it is shown, signed and kept."""
    return str(REDIRECT_TERMS % {"no": refund.refund_no, "amount": yuan(refund.amount_fen)})


def lapse_redirect(refunds: Sequence[Refund], *, at: datetime) -> None:
    """The old attempt came alive after all: what was signed is void."""
    with take("lapse_redirect", refunds, by=None, at=at) as taken:
        signed = RedirectAgreement.objects.filter(refund__in=taken.refunds, confirmed_at=None, lapsed_at=None)
        signed.update(lapsed_at=at)


def confirm_redirect(refund: Refund, *, by: User, at: datetime) -> None:
    """确认新去向: a second person, while nothing of the old attempt can still pay the buyer."""
    with take("confirm_redirect", [refund], by=by, at=at) as taken:
        case = taken.refunds[0]
        guards.no_other_active(taken)
        guards.attempts_are_closed(taken)
        guards.two_people(taken)
        signed = RedirectAgreement.objects.select_for_update(no_key=True).get(
            refund=case, confirmed_at=None, lapsed_at=None
        )
        signed.confirmed_by, signed.confirmed_at = by, at
        signed.save(update_fields=["confirmed_by", "confirmed_at"])
        case.destination, case.lane = signed.destination, Lane.STANDARD
