"""商家处理: the shop's word, or what its silence means (S4-9 … S4-11)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from refunds import evidence
from refunds.lifecycle import guards
from refunds.lifecycle.taking import take
from refunds.models import Refund


def agree(refunds: Sequence[Refund], *, by: User | None, at: datetime, note: str = "") -> None:
    """同意退款; by the machine where the shop did not answer in time: it is liable then (S4-11)."""
    note = guards.without_codes(refunds, note)
    with take("agree", refunds, by=by, at=at, note=note) as taken:
        guards.in_time(taken)
        guards.within_limit(taken)
        guards.decide(taken, note)


def agree_above_limit(refunds: Sequence[Refund], *, by: User | None, at: datetime, note: str = "") -> None:
    """同意退款, above the limit: the shop's word is evidence, and two people of the platform release it."""
    note = guards.without_codes(refunds, note)
    with take("agree_above_limit", refunds, by=by, at=at, note=note) as taken:
        guards.in_time(taken)


def contest(
    refunds: Sequence[Refund], *, by: User | None, at: datetime, note: str, images: Sequence[evidence.Image] = ()
) -> None:
    """不同意, with reasons and pictures: the platform decides. By the machine where a record says used."""
    guards.demand_note(note, _("请写明不同意的理由，买家和客服会看到。"))
    note = guards.without_codes(refunds, note)
    with take("contest", refunds, by=by, at=at, note=note) as taken:
        guards.in_time(taken)
        if by is not None and images:
            for refund in taken.refunds:
                evidence.store(refund, by=by, at=at, images=images)
