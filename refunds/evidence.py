"""凭证: what buyers lay before the reviewer. Images are repainted (``images.py``), private, and never change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils.translation import gettext as _

from accounts.models import User
from identifiers import uuid7
from images import Repainted as Image
from orders import masking
from refunds.models import DraftImage, Evidence, Refund

MOST_IMAGES = 6


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
    )


__all__ = ["Image", "TooManyImages", "store"]
