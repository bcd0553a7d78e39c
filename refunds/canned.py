"""常用回复 in use: offered by step, filled in for the case, rewritten by operators; no version is lost (K4)."""

from __future__ import annotations

import re
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from money import yuan
from refunds.models import CannedReply, Refund

LEFT_OPEN = re.compile(r"〔[^〔〕]*〕")  # what whoever sends it must still fill in
#: What is filled in of the case: {单号} and so on.
BLANKS = {
    "{单号}": lambda refund: refund.refund_no,
    "{金额}": lambda refund: yuan(refund.amount_fen),
    "{订单}": lambda refund: refund.order.order_no,
}
#: Steps that are like another, and are offered what is written for it.
LIKE = {
    "approve_second": "approve", "grant_appeal": "approve", "uphold_appeal": "uphold", "reject_second": "reject",
    "request_more": "request_evidence", "propose_offer": "make_offer",
}  # fmt: skip


class CannotRewrite(Exception):
    """Retired already: somebody else was first. The message is for operators."""


def in_use(step: str) -> QuerySet[CannedReply]:
    """What this step is offered: its own, and of the step that it is like."""
    return CannedReply.objects.filter(retired_at=None, step__in={step, LIKE.get(step, step)}).order_by("pk")


def filled(text: str, refund: Refund) -> str:
    """With the case's own number and amount."""
    for blank, value in BLANKS.items():
        text = text.replace(blank, value(refund))
    return text


def add(*, step: str, ground: str, title: str, text: str, text_en: str, by: User, at: datetime) -> CannedReply:
    """A new one."""
    return CannedReply.objects.create(
        step=step, ground=ground, title=title, text=text, text_en=text_en, written_by=by, written_at=at
    )


def rewrite(reply: CannedReply, *, title: str, text: str, text_en: str, by: User, at: datetime) -> CannedReply:
    """改写: the next version; this one is retired. Raises CannotRewrite."""
    with transaction.atomic():
        old = _retire(reply, by, at)
        return CannedReply.objects.create(
            step=old.step, ground=old.ground, title=title, text=text, text_en=text_en, replaces=old, written_by=by,
            written_at=at,
        )  # fmt: skip


def retire(reply: CannedReply, *, by: User, at: datetime) -> None:
    """停用: offered no more. Raises CannotRewrite."""
    with transaction.atomic():
        _retire(reply, by, at)


def versions(reply: CannedReply) -> list[CannedReply]:
    """What it said before, the latest first; at most fifty."""
    found: list[CannedReply] = []
    row = reply
    while row.replaces_id and len(found) < 50:
        row = CannedReply.objects.select_related("written_by", "retired_by").get(pk=row.replaces_id)
        found.append(row)
    return found


def _retire(reply: CannedReply, by: User, at: datetime) -> CannedReply:
    row = CannedReply.objects.select_for_update(no_key=True).get(pk=reply.pk)
    if row.retired_at:
        raise CannotRewrite("这条回复刚被同事改写或停用，请刷新后再看。")
    row.retired_by, row.retired_at = by, at
    row.save(update_fields=["retired_by", "retired_at"])
    return row
