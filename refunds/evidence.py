"""凭证: what buyers lay before the reviewer. Images are repainted (``images.py``), private, and never change."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from typing import Any
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import F, Func, IntegerField, Q
from django.db.models.fields.json import KT
from django.db.models.lookups import Exact, LessThanOrEqual
from django.utils.translation import gettext as _

from accounts.models import User
from identifiers import uuid7
from images import Repainted
from orders import masking
from orders.models import OrderLine
from refunds import guides, policy
from refunds.guides import SlotGuide
from refunds.models import DraftImage, Evidence, Refund, Status
from refunds.models.evidence import BANDS, band_of
from shops.models import RefundPolicy

MOST_IMAGES = 6
ALIKE_BITS = BANDS - 1  # so few differences leave one band of the four as it was, whichever bits they are
SEEN_WITHIN = timedelta(days=180)
MOST_SIGHTINGS = 50
#: What a picture of a draft and one of a case say alike.
_ALIKE = ("content_type", "width", "height", "digest", "likeness")


class TooManyImages(Exception):
    """The message is for the buyer."""


@dataclass(frozen=True)
class ForSlot:
    """A picture laid down for one of ``shops.policy_terms.SLOTS``. A bare ``Repainted`` is any other picture."""

    slot: str
    picture: Repainted


Image = Repainted | ForSlot


def store(
    refund: Refund,
    *,
    by: User,
    at: datetime,
    note: str = "",
    images: Sequence[Image] = (),
    draft_images: Sequence[DraftImage] = (),
) -> None:
    """In the caller's transaction, the case locked or new. ``draft_images`` come as the very files that they are."""
    if images or draft_images:
        _demand_room(refund, by, len(images) + len(draft_images))
    provided: dict[str, Any] = {"refund": refund, "provided_by": by, "created_at": at}
    rows = [Evidence(**provided, slot=row.slot, image=row.image.name, **columns_of(row)) for row in draft_images]
    later = [image if isinstance(image, ForSlot) else ForSlot("", image) for image in images]
    rows += [Evidence(**provided, slot=each.slot, **filed(each.picture, refund.refund_no)) for each in later]
    if note.strip():
        masked = masking.mask(refund.order, note.strip())[:500]  # buyers paste their codes (PM16)
        rows.append(Evidence(**provided, note=masked))
    Evidence.objects.bulk_create(rows)
    if any(each.slot for each in later):
        _take_as_complete(refund)


def _demand_room(refund: Refund, by: User, more: int) -> None:
    """Nobody uses up what the other side may show. Raises TooManyImages."""
    there = refund.evidence.exclude(image="").only("provided_by_id")
    if since := _occasion(refund):
        there = there.filter(created_at__gt=since)
    own = [row for row in there if is_shops(refund, row.provided_by_id) == is_shops(refund, by.pk)]
    if len(own) + more > MOST_IMAGES:
        words = _("每一方最多 %(most)d 张图片，这张退款单您这边已有 %(there)d 张。")
        raise TooManyImages(words % {"most": MOST_IMAGES, "there": len(own)})


def _occasion(refund: Refund) -> datetime | None:
    """Since when pictures count together: what was laid down with the application leaves room for what is asked for
    later, and for an appeal."""
    return refund.entered_at if refund.status == Status.AWAITING_EVIDENCE else refund.decided_at


def is_shops(refund: Refund, person: int) -> bool:
    """Whose picture or sentence: the shop's, whoever of its people laid it down, else the buyer's (also a guest's, who
    has an account by now, and what was asked for on their behalf)."""
    return person not in {refund.buyer_id, refund.asked_by_id}


def filed(picture: Repainted, number: str) -> dict[str, Any]:
    """Keep the file under the number of its order or case: the columns of the row that names it.

    A file whose row is rolled back stays, but no row names it and no page serves it.
    """
    key = uuid7()
    suffix = picture.content_type.rsplit("/", 1)[-1]
    name = default_storage.save(f"evidence/{number}/{key}.{suffix}", ContentFile(picture.data))
    return {
        "id": key, "image": name, "content_type": picture.content_type, "width": picture.width,
        "height": picture.height, "digest": picture.sha256, "likeness": picture.likeness,
    }  # fmt: skip


def columns_of(row: DraftImage | Evidence) -> dict[str, Any]:
    """What is known of the picture itself, whichever row names it."""
    return {name: getattr(row, name) for name in _ALIKE}


# --- 齐不齐 ----------------------------------------------------------------------------------------------------------


def completeness(refund: Refund, pictures: Collection[Evidence]) -> list[tuple[SlotGuide, bool]]:
    """Each picture that this reason asks for with these goods, and whether it is there (S2-25)."""
    if not refund.order.policy.slots_of(refund.reason):
        return []
    kind, is_abroad = _goods(refund)
    wanted = refund.order.policy.slots_for(refund.reason, kind, is_cross_border=is_abroad)
    given = {picture.slot for picture in pictures}
    return [(guide, guide.slot in given) for guide in guides.slot_guides(wanted)]


def missing(refund: Refund) -> list[SlotGuide]:
    """What a complete case would show, and this one does not yet."""
    return [guide for guide, is_there in completeness(refund, refund.evidence.exclude(image="")) if not is_there]


def _take_as_complete(refund: Refund) -> None:
    """Once all is there that was missing, a review takes as long as that of any complete case (S0-17)."""
    if refund.is_complete or missing(refund):
        return
    terms, asked_fen, is_abroad = refund.order.policy, refund.amount_fen + refund.fee_fen, _goods(refund)[1]
    promised, refund.is_complete = refund.review_hours or terms.review_hours, True
    refund.review_hours = review_hours(terms, asked_fen, is_complete=True, is_cross_border=is_abroad)
    if refund.review_left is not None:  # its clock stands while the buyer is asked: refunds/clocking.py
        saved = timedelta(hours=max(0, promised - refund.review_hours))
        refund.review_left = max(timedelta(0), refund.review_left - saved)
    refund.save(update_fields=["is_complete", "review_hours", "review_left"])


def review_hours(terms: RefundPolicy, asked_fen: int, *, is_complete: bool, is_cross_border: bool) -> int:
    """How long a review may take by these terms."""
    return policy.hours_to_review(
        usual=terms.review_hours,
        complete=terms.complete_review_hours,
        high_value=terms.first_of_two_hours,
        extra=terms.cross_border_extra_hours,
        is_complete=is_complete,
        is_large=asked_fen > terms.senior_above_fen,
        is_cross_border=is_cross_border,
    )


def _goods(refund: Refund) -> tuple[str, bool]:
    """Their kind, and whether they come from abroad, as their page said when they were ordered."""
    lines = OrderLine.objects.filter(refund_lines__refund=refund)
    goods = list(lines.values_list(KT("product_page__kind"), "product_page__is_cross_border").distinct())
    return next((kind for kind, _abroad in goods if kind), ""), any(abroad for _kind, abroad in goods)


# --- 见没见过 --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sighting:
    """A picture of another order's case that is, or looks like, one of this case's. For the reviewer's eyes alone, and
    by itself no ground to refuse anybody: screens of one shop look alike."""

    evidence: Evidence
    refund: Refund
    is_same: bool  # to the bit
    is_other_buyer: bool


def seen_before(refund: Refund, pictures: Collection[Evidence], *, at: datetime) -> Mapping[UUID, list[Sighting]]:
    """{picture of this case: where else it was laid before us in the last ``SEEN_WITHIN``, the latest first}.

    One query for all of them, through the indexes on the four bands: whatever differs in at most ``ALIKE_BITS`` bits
    has a band in common. Plain pictures have no likeness and are never compared.
    """
    known = {picture.pk: picture for picture in pictures if picture.likeness is not None}
    if not known:
        return {}
    alike = reduce(operator.or_, (_looks_like(picture.likeness or 0) for picture in known.values()))
    rows = Evidence.objects.filter(alike, likeness__isnull=False, created_at__gt=at - SEEN_WITHIN)
    rows = rows.exclude(refund__order=refund.order_id).select_related("refund").order_by("-created_at", "-pk")
    found: dict[UUID, list[Sighting]] = defaultdict(list)
    for row in rows[:MOST_SIGHTINGS]:
        for picture in known.values():
            if _differences(row.likeness or 0, picture.likeness or 0) <= ALIKE_BITS:
                is_same, is_other = row.digest == picture.digest, row.refund.buyer_id != refund.buyer_id
                found[picture.pk].append(Sighting(row, row.refund, is_same, is_other))
    return dict(found)


def _looks_like(likeness: int) -> Q:
    shares_a_band = [Q(Exact(band_of("likeness", number), likeness >> 16 * number & 0xFFFF)) for number in range(BANDS)]
    return reduce(operator.or_, shares_a_band) & Q(LessThanOrEqual(_bits_apart(likeness), ALIKE_BITS))


def _bits_apart(likeness: int) -> Func:
    apart = F("likeness").bitxor(likeness)
    return Func(apart, template="bit_count((%(expressions)s)::bit(64))", output_field=IntegerField())


def _differences(one: int, other: int) -> int:
    return ((one ^ other) & 0xFFFF_FFFF_FFFF_FFFF).bit_count()


__all__ = [
    "ForSlot", "Image", "Sighting", "TooManyImages", "columns_of", "completeness", "filed", "is_shops", "missing",
    "review_hours", "seen_before", "store",
]  # fmt: skip
