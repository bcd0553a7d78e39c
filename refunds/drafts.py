"""申请草稿: an application while it is being written, step by step, kept with its order until it is sent (B5).

One draft per order: it survives a log-out and is there in another browser. It proves nothing and freezes nothing.
Whoever changes one holds its row, which is locked before anything else is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from images import Repainted
from orders.models import Order, OrderLine
from payments.models import Payment
from refunds import applying, askable, evidence, guides
from refunds.applying import AlreadyActive, Application
from refunds.evidence import MOST_IMAGES, TooManyImages
from refunds.lifecycle import StepRefused
from refunds.models import Destination, DraftImage, Evidence, Refund, RefundDraft, Status
from refunds.refundable import Refundable, chosen_of
from shops.policy_terms import SLOTS

KEPT_DAYS = 30
BATCH = 200
#: What ``RefundDraft.answers`` may hold.
ANSWERS = frozenset({"reason", "lines", "amount_fen", "description", "contact", "destination"})
#: By ``StepRefused.code`` of submitting: the step that can mend it.
MENDED_AT = {
    "unknown_reason": "reason", "reason_does_not_fit": "reason", "unknown_line": "reason",
    "description_missing": "material", "amount_out_of_range": "money", "unknown_destination": "money",
    "guest_has_no_balance": "money", "paid_from_balance": "money", "paid_to_the_shop": "money",
    "draft_has_changed": "check",
}  # fmt: skip


@dataclass(frozen=True)
class Gap:
    """What keeps a draft from being sent: the step that it belongs to ("reason", "material", "money"; empty: none can
    mend it), and the sentence for the buyer. ``is_news``: it was answered, and the order has changed since."""

    step: str
    sentence: str
    is_news: bool = False


def of(order: Order) -> RefundDraft | None:
    return RefundDraft.objects.filter(order=order).first()


def keep(order: Order, answers: Mapping[str, Any], *, at: datetime) -> RefundDraft:
    """Add to what has been answered. Another choice of units makes the amount "all that is left" again."""
    if unknown := answers.keys() - ANSWERS:
        raise ValueError(f"drafts.keep: {sorted(unknown)}")
    with transaction.atomic():
        draft = _hold(order, at)
        before = draft.answers
        draft.answers = before | answers
        if draft.answers.get("lines") != before.get("lines") and "amount_fen" not in answers:
            draft.answers["amount_fen"] = None
        if draft.answers != before:  # looked at is not changed: see ``submit``
            draft.updated_at = at
            draft.save(update_fields=["answers", "updated_at"])
    return draft


def add_image(order: Order, *, slot: str, image: Repainted, at: datetime) -> DraftImage:
    """One repainted picture for one slot (empty: any other). The same picture sent twice is one.

    Raises TooManyImages, or StepRefused for a slot that there is not.
    """
    if slot and slot not in SLOTS:
        raise StepRefused("unknown_slot", _("没有这一项凭证，请刷新页面后重选。"))
    with transaction.atomic():
        draft = _hold(order, at)
        known = list(draft.images.all())
        if same := next((row for row in known if (row.slot, row.digest) == (slot, image.sha256)), None):
            return same
        if len(known) >= MOST_IMAGES:
            raise TooManyImages(_("一张退款单最多 %(most)d 张图片。") % {"most": MOST_IMAGES})
        row = DraftImage.objects.create(
            draft=draft, slot=slot, hint=image.hint, created_at=at, **evidence.filed(image, order.order_no)
        )
        _touch(draft, at)
    return row


def last_refused(order: Order) -> Refund | None:
    """None where a later one was withdrawn or granted in part: that is not what stands in the way."""
    latest = max(order.refunds.all(), key=lambda refund: (refund.submitted_at, refund.pk), default=None)
    return latest if latest and latest.status == Status.REJECTED else None


def earlier_pictures(order: Order) -> list[tuple[Evidence, str]]:
    """What the refused application showed and the draft does not hold, each with its slot's title; empty: any other."""
    refused = last_refused(order)
    if refused is None:
        return []
    held = set(DraftImage.objects.filter(draft__order=order).values_list("slot", "digest"))
    rows = refused.evidence.exclude(image="").order_by("created_at", "pk")
    left = [row for row in rows if (row.slot, row.digest) not in held]
    titles = {guide.slot: guide.title for guide in guides.slot_guides(sorted({row.slot for row in left}))}
    return [(row, titles.get(row.slot, "")) for row in left]


def carry_over(order: Order, chosen: Collection[str], *, at: datetime) -> None:
    """沿用上次的图片: a copy of each of these that the refused application showed, in its slot; no other key counts.

    A copy, for a draft's files go with it, and what was laid before us stays. Of the same order, so that nobody is
    told that it was seen before (``evidence.seen_before``). Raises TooManyImages.
    """
    for row, _title in earlier_pictures(order):
        if str(row.pk) in chosen:
            with row.image.open() as file:
                picture = Repainted(
                    file.read(), row.content_type, row.width, row.height, row.digest, likeness=row.likeness
                )
            add_image(order, slot=row.slot, image=picture, at=at)


def remove_image(order: Order, image_id: UUID | str, *, at: datetime) -> None:
    """The picture and its file. One that is not there any more is no mistake."""
    with transaction.atomic():
        draft = _locked(order)
        row = draft.images.filter(pk=image_id).first() if draft else None
        if draft is None or row is None:
            return
        name = str(row.image.name)
        row.delete()
        _touch(draft, at)
        transaction.on_commit(lambda: _delete_files([name]))


def application(draft: RefundDraft, *, device_key: bytes | None = None) -> Application:
    """What the draft asks for, as far as it has been answered."""
    said = draft.answers
    return Application(
        reason=said.get("reason", ""),
        description=said.get("description", ""),
        contact=said.get("contact", ""),
        amount_fen=said.get("amount_fen"),
        line_ids=_line_ids(draft),
        draft_images=list(draft.images.order_by("created_at", "pk")),
        destination=said.get("destination", Destination.ORIGINAL),
        device_key=device_key,
    )


def gap(order: Order, asked: Application | None, left: Sequence[Refundable]) -> Gap | None:
    """The first thing that is missing, or no longer true of the order; None: it can be sent. ``asked``: what the draft
    asks for, if there is one; ``left``: what is left of the order."""
    payment = applying.paid_payment(order)
    if payment is None or min(sum(item.amount_fen for item in left), payment.refundable_fen) <= 0:
        return Gap("", _("这张订单的款项已全部退回或正在退回。"), is_news=True)
    if asked is None or not asked.reason:
        return Gap("reason", _("请选择退款原因。"))
    try:
        _check(order, asked, left, payment)
    except StepRefused as refusal:
        return Gap(MENDED_AT[refusal.code], str(refusal), is_news=refusal.code != "description_missing")
    return None


def submit(
    order: Order, *, by: User, at: datetime, seen: datetime | None = None, device_key: bytes | None = None
) -> Refund:
    """Send it; with that the draft is gone, and its pictures are evidence.

    ``seen``: the draft's ``updated_at`` when its answers were last read over; None: nobody asks. However often and
    from however many tabs it is sent, one refund comes of it (P1): the others get AlreadyActive with its number.
    Raises AlreadyActive or StepRefused; the draft is kept then.
    """
    with transaction.atomic():
        draft = _locked(order)
        if draft is None:
            raise _sent_already(order)
        if seen is not None and draft.updated_at != seen:
            raise StepRefused("draft_has_changed", _("内容在别的页面改过，请再核对一遍，然后提交。"))
        refund = applying.submit(order, application(draft, device_key=device_key), by=by, at=at)
        draft.delete()
    return refund


def sweep(*, at: datetime) -> int:
    """Drafts that nobody touched for 30 days go, with their pictures. Returns how many; call until there are none."""
    with transaction.atomic():
        old = RefundDraft.objects.filter(updated_at__lt=at - timedelta(days=KEPT_DAYS))
        keys = list(
            old.select_for_update(no_key=True, skip_locked=True).order_by("pk").values_list("pk", flat=True)[:BATCH]
        )
        names = list(DraftImage.objects.filter(draft__in=keys).values_list("image", flat=True))
        RefundDraft.objects.filter(pk__in=keys).delete()
        transaction.on_commit(lambda: _delete_files(names))
    return len(keys)


def _delete_files(names: Iterable[str]) -> None:
    for name in names:
        default_storage.delete(name)


def _hold(order: Order, at: datetime) -> RefundDraft:
    """The order's draft, locked; a new one where there is none. In a transaction."""
    while True:  # between the two it can be sent
        RefundDraft.objects.get_or_create(order=order, defaults={"updated_at": at})
        if draft := _locked(order):
            return draft


def _locked(order: Order) -> RefundDraft | None:
    return RefundDraft.objects.select_for_update(no_key=True).filter(order=order).first()


def _touch(draft: RefundDraft, at: datetime) -> None:
    draft.updated_at = at
    draft.save(update_fields=["updated_at"])


def _line_ids(draft: RefundDraft) -> list[int] | None:
    """Positions are what people see; a position that the order does not have stays in, to be refused."""
    positions = draft.answers.get("lines")
    if positions is None:
        return None
    by_position = dict(OrderLine.objects.filter(order=draft.order_id).values_list("position", "pk"))
    return [by_position.get(position, 0) for position in positions]


def _check(order: Order, asked: Application, left: Sequence[Refundable], payment: Payment) -> None:
    """As submitting will, in the order of the steps. Raises StepRefused."""
    askable.check_listed(asked.reason)
    chosen = chosen_of(left, asked.line_ids)
    askable.check_reason(order.policy, asked.reason, chosen)
    askable.check_words(asked.reason, asked.description)
    if asked.amount_fen is not None:
        askable.check_amount(asked.amount_fen, min(sum(item.amount_fen for item in chosen), payment.refundable_fen))
    askable.check_destination(asked.destination, order, payment)


def _sent_already(order: Order) -> StepRefused:
    if active := applying.active_of(order):
        return AlreadyActive(active.refund_no)
    return StepRefused("no_draft", _("这份申请已提交或已过期，请重新填写。"))


__all__ = [
    "MENDED_AT", "Gap", "add_image", "application", "carry_over", "earlier_pictures", "gap", "keep", "last_refused",
    "of", "remove_image", "submit", "sweep",
]  # fmt: skip
