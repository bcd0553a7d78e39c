"""到账与退款异常: what the channel says became of the money, and what people do when it came back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from payments.transfer_models import TransferStatus
from refunds import arrival_times, clocking
from refunds.lifecycle import guards
from refunds.lifecycle.taking import StepRefused, take
from refunds.models import Destination, Lane, Queue, Refund


def mark_paid_out(refunds: Sequence[Refund], *, at: datetime, held: bool = False) -> None:
    """渠道退款成功. Paid out is not arrived: a bank may still have to clear it, and the page says until when."""
    with take("mark_paid_out", refunds, by=None, at=at, held=held) as taken:
        guards.all_go_to(taken, Destination.ORIGINAL)
        attempts = guards.last_attempts(taken.refunds)
        for refund, attempt in zip(taken.refunds, attempts, strict=True):
            refund.paid_out_at = attempt.finished_at
            refund.received_account = attempt.received_account
        arrival_times.expect(taken.refunds, attempts, at=at)


def mark_transferred(refunds: Sequence[Refund], *, at: datetime) -> None:
    """已转账至买家账户: a person has paid it at the bank, and recorded the voucher; the bank may have to clear it."""
    with take("mark_transferred", refunds, by=None, at=at) as taken:
        guards.all_go_to(taken, Destination.OTHER_ACCOUNT)
        paid = guards.last_transfers(taken.refunds)
        if any(transfer is None or transfer.status != TransferStatus.PAID for transfer in paid):
            raise StepRefused("transfer_open", _("转账还没有付出。"))
        for refund, transfer in zip(taken.refunds, paid, strict=True):
            refund.paid_out_at, refund.received_account = transfer.paid_at, str(transfer.payee)
        arrival_times.expect_transfers(taken.refunds, at=at)


def confirm_arrival(refunds: Sequence[Refund], *, by: User | None, at: datetime, held: bool = False) -> None:
    """已到账, on the channel's own proof (a wallet) or the buyer's word; never because time has passed (P17)."""
    with take("confirm_arrival", refunds, by=by, at=at, held=held) as taken:
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
    """退款异常: the channel could not pay the buyer, or took the refund back (PM11); or a transfer came to nothing."""
    with take("mark_returned", refunds, by=None, at=at, note=note) as taken:
        guards.none_is_on_the_balance(taken)  # that is the buyer's
        guards.transfers_are_over(taken)
        for refund in taken.refunds:
            refund.destination = Destination.ORIGINAL
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
