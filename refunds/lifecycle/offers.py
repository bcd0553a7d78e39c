"""协商: less money, or another code, if the buyer agrees. Nobody's money shrinks without the buyer's word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from money import share_out
from refunds import goods
from refunds.lifecycle import guards
from refunds.lifecycle.taking import StepRefused, Taken, take
from refunds.models import Answer, Offer, OfferKind, Refund, RefundLine


def offer(refund: Refund, *, by: User, at: datetime, note: str, amount_fen: int | None = None) -> None:
    """商家提出方案, once: ``amount_fen`` of the money, or a new code where it is empty (补发)."""
    note = _said(refund, note)
    with take("offer", [refund], by=by, at=at, note=note) as taken:
        guards.in_time(taken)
        guards.within_limit(taken, offered_fen=amount_fen or 0)
        _write(taken, amount_fen, note)


def make_offer(refund: Refund, *, by: User, at: datetime, note: str, amount_fen: int | None = None) -> None:
    """平台提出方案: within the limit one person may. A new code is worth what was asked for: it is the shop's."""
    note = _said(refund, note)
    with take("make_offer", [refund], by=by, at=at, note=note) as taken:
        guards.not_claimed_by_another(taken)
        guards.within_limit(taken, offered_fen=amount_fen)
        _write(taken, amount_fen, note)


def propose_offer(refund: Refund, *, by: User, at: datetime, note: str, amount_fen: int | None = None) -> None:
    """拟定方案, above the limit: it is made once a second person confirms it. A part, or a new code where
    ``amount_fen`` is empty."""
    note = _said(refund, note)
    with take("propose_offer", [refund], by=by, at=at, note=note) as taken:
        guards.not_claimed_by_another(taken)
        _write(taken, amount_fen, note)


def confirm_offer(refund: Refund, *, by: User, at: datetime, offer_id: int | None = None) -> None:
    """确认方案: the second person makes the offer. ``offer_id`` as in ``accept_offer``: a colleague may have sent the
    case back, and another draft come since."""
    with take("confirm_offer", [refund], by=by, at=at) as taken:
        guards.another_person(taken)
        proposed = guards.open_offer(taken.refunds[0])
        _demand_the_same(proposed, offer_id)
        if proposed.kind == OfferKind.REPLACEMENT:
            _demand_a_code(taken.refunds[0])  # the last one may be sold since it was drafted
        proposed.confirmed_by, proposed.confirmed_at = by, at
        proposed.save(update_fields=["confirmed_by", "confirmed_at"])


def accept_offer(refund: Refund, *, by: User, at: datetime, offer_id: int | None = None) -> None:
    """接受方案: the case is about that much from now on, and it is decided.

    ``offer_id``: the one that was read, so that an old page does not accept a later one.
    """
    with take("accept_offer", [refund], by=by, at=at) as taken:
        guards.in_time(taken)
        accepted = _answer(taken, OfferKind.PART, Answer.ACCEPTED, offer_id)
        _shrink(taken.refunds[0], accepted.amount_fen or 0)
        guards.two_people(taken)
        guards.decide(taken, accepted.note)


def accept_replacement(refund: Refund, *, by: User, at: datetime, offer_id: int | None = None) -> None:
    """接受补发: a new code from stock for each one asked about; the old ones are the shop's again. ``offer_id`` as in
    ``accept_offer``."""
    with take("accept_replacement", [refund], by=by, at=at) as taken:
        guards.in_time(taken)
        _answer(taken, OfferKind.REPLACEMENT, Answer.ACCEPTED, offer_id)
        try:
            goods.replace(taken.refunds[0], at=at, by=taken.by)
        except goods.CannotReplace as error:
            raise StepRefused("cannot_replace", error) from None
        guards.decide(taken, "")


def decline_offer(refund: Refund, *, by: User, at: datetime) -> None:
    """不接受: people of the platform decide."""
    with take("decline_offer", [refund], by=by, at=at) as taken:
        guards.drop_offer(taken.refunds, Answer.DECLINED, at)


def lapse_offer(refunds: Sequence[Refund], *, at: datetime) -> None:
    """逾期未答 is a no: silence costs the buyer nothing."""
    with take("lapse_offer", refunds, by=None, at=at) as taken:
        guards.drop_offer(taken.refunds, Answer.LAPSED, at)


# --- how ------------------------------------------------------------------------------------------------------------


def _said(refund: Refund, note: str) -> str:
    guards.demand_note(note, _("请写明方案的理由，买家会看到这段话。"))
    return guards.without_codes([refund], note)


def _write(taken: Taken, amount_fen: int | None, note: str) -> None:
    case = taken.refunds[0]
    guards.not_all_canceled(taken, _("订单已取消，款项须全额退回，不能协商。"))
    if amount_fen is not None:
        _demand_less(case, amount_fen)
    else:
        _demand_a_code(case)
    Offer.objects.create(
        refund=case,
        kind=OfferKind.REPLACEMENT if amount_fen is None else OfferKind.PART,
        amount_fen=amount_fen,
        note=note,
        role=taken.roles[case.pk],
        made_by=cast(User, taken.by),  # the machine makes none
        made_at=taken.at,
    )


def _demand_a_code(case: Refund) -> None:
    if why_not := goods.why_not_replaceable(case):
        raise StepRefused("cannot_replace", why_not)


def _demand_less(case: Refund, amount_fen: int) -> None:
    """At least a fen of every line, and less than what was asked for: all of it is a plain yes."""
    least = RefundLine.objects.filter(refund=case).count()
    if not least <= amount_fen < case.amount_fen:
        limits = {"least": f"{least / 100:.2f}", "most": f"{(case.amount_fen - 1) / 100:.2f}"}
        raise StepRefused("amount_out_of_range", _("方案金额须在 ¥%(least)s 与 ¥%(most)s 之间。") % limits)


def _answer(taken: Taken, kind: OfferKind, answer: Answer, offer_id: int | None) -> Offer:
    """The open offer with its answer; it must be of this kind, and the one that was read."""
    found = guards.open_offer(taken.refunds[0])
    _demand_the_same(found, offer_id)
    if found.kind != kind:
        raise StepRefused("other_offer", _("等待答复的方案是“%(kind)s”。") % {"kind": OfferKind(found.kind).label})
    found.answer, found.answered_at = answer, taken.at
    found.save(update_fields=["answer", "answered_at"])
    return found


def _demand_the_same(found: Offer, offer_id: int | None) -> None:
    """The offer that was read, where it is said which."""
    if offer_id is not None and found.pk != offer_id:
        raise StepRefused("offer_changed", _("方案已经变了，请看过新的方案再答复。"))


def _shrink(case: Refund, amount_fen: int) -> None:
    """What was agreed on, shared out over the lines by what was asked of each; no fee is taken of it (I12)."""
    lines = list(RefundLine.objects.filter(refund=case).order_by("pk"))
    beyond = amount_fen - len(lines)  # each keeps a fen at least
    shares = share_out(beyond, [line.amount_fen - 1 for line in lines]) if beyond else [0] * len(lines)
    for line, fen in zip(lines, shares, strict=True):
        line.amount_fen, line.fee_fen = 1 + fen, 0
    RefundLine.objects.bulk_update(lines, ["amount_fen", "fee_fen"])
    case.amount_fen, case.fee_fen = amount_fen, 0
