"""凭证: what buyers lay before the reviewer. Images are repainted (``images.py``), private, and never change."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import F, Func, IntegerField, Q
from django.db.models.fields.json import KT
from django.db.models.lookups import Exact, LessThanOrEqual
from django.utils.translation import gettext as _

from accounts.models import User
from identifiers import uuid7
from images import Repainted as Image
from orders import masking
from orders.models import OrderLine
from refunds import guides
from refunds.guides import SlotGuide
from refunds.models import DraftImage, Evidence, Refund
from refunds.models.evidence import BANDS, band_of

MOST_IMAGES = 6
ALIKE_BITS = BANDS - 1  # so few differences leave one band of the four as it was, whichever bits they are
SEEN_WITHIN = timedelta(days=180)
MOST_SIGHTINGS = 50


class TooManyImages(Exception):
    """The message is for the buyer."""


def store(
    refund: Refund,
    *,
    by: User,
    at: datetime,
    note: str = "",
    images: Sequence[Image] = (),
    draft_images: Sequence[DraftImage] = (),
) -> None:
    """In the caller's transaction. A file whose row is rolled back stays, but no row names it and no page serves it."""
    if refund.evidence.exclude(image="").count() + len(images) + len(draft_images) > MOST_IMAGES:
        raise TooManyImages(_("一张退款单最多 %(most)d 张图片。") % {"most": MOST_IMAGES})
    rows = [_drafted(refund, by, at, image) for image in draft_images]
    rows += [_image_row(refund, by, at, image) for image in images]
    if note.strip():
        masked = masking.mask(refund.order, note.strip())[:500]  # buyers paste their codes (PM16)
        rows.append(Evidence(refund=refund, provided_by=by, created_at=at, note=masked))
    Evidence.objects.bulk_create(rows)


def _drafted(refund: Refund, by: User, at: datetime, image: DraftImage) -> Evidence:
    """The very file: it was repainted when it came."""
    return Evidence(
        refund=refund,
        provided_by=by,
        created_at=at,
        slot=image.slot,
        image=image.image.name,
        content_type=image.content_type,
        width=image.width,
        height=image.height,
        digest=image.digest,
        likeness=image.likeness,
    )


def _image_row(refund: Refund, by: User, at: datetime, image: Image) -> Evidence:
    key = uuid7()
    suffix = image.content_type.rsplit("/", 1)[-1]
    name = default_storage.save(f"evidence/{refund.refund_no}/{key}.{suffix}", ContentFile(image.data))
    return Evidence(
        id=key,
        refund=refund,
        provided_by=by,
        created_at=at,
        image=name,
        content_type=image.content_type,
        width=image.width,
        height=image.height,
        digest=image.sha256,
        likeness=image.likeness,
    )


# --- 齐不齐 ----------------------------------------------------------------------------------------------------------


def completeness(refund: Refund, pictures: Collection[Evidence]) -> list[tuple[SlotGuide, bool]]:
    """Each picture that this reason asks for with these goods, and whether it is there (S2-25)."""
    lines = OrderLine.objects.filter(refund_lines__refund=refund)
    goods = list(lines.values_list(KT("product_page__kind"), "product_page__is_cross_border").distinct())
    wanted = refund.order.policy.slots_for(
        refund.reason,
        next((kind for kind, _abroad in goods if kind), ""),
        is_cross_border=any(abroad for _kind, abroad in goods),
    )
    given = {picture.slot for picture in pictures}
    return [(guide, guide.slot in given) for guide in guides.slot_guides(wanted)]


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


__all__ = ["Image", "Sighting", "TooManyImages", "completeness", "seen_before", "store"]
