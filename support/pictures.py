"""图片: kept beside a ticket or a complaint, and shown to those of it alone, at addresses signed for them (X4, X7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils.translation import gettext as _

from accounts import rights
from accounts.models import User
from accounts.rights import Act
from identifiers import uuid7
from images import Repainted
from shops import rights as shop_rights
from support import people
from support.models import ComplaintStatus, Picture, ShopComplaint, Ticket

MOST = 6  # of one ticket, and of one complaint


class TooManyPictures(Exception):
    """The message is for the buyer."""


def store(subject: Ticket | ShopComplaint, images: Sequence[Repainted], *, by: User, at: datetime) -> None:
    """In the caller's transaction, the subject locked or new. Raises TooManyPictures.

    A file whose row is rolled back stays, but no row names it and no page serves it.
    """
    if subject.pictures.count() + len(images) > MOST:
        raise TooManyPictures(_("最多 %(most)d 张图片，请少选几张。") % {"most": MOST})
    Picture.objects.bulk_create([_row(subject, image, by, at) for image in images])


def _row(subject: Ticket | ShopComplaint, image: Repainted, by: User, at: datetime) -> Picture:
    key = uuid7()
    suffix = image.content_type.rsplit("/", 1)[-1]
    whose: dict[str, Any] = {"ticket" if isinstance(subject, Ticket) else "complaint": subject}
    return Picture(
        id=key,
        provided_by=by,
        image=default_storage.save(f"support/{subject}/{key}.{suffix}", ContentFile(image.data)),
        content_type=image.content_type,
        width=image.width,
        height=image.height,
        digest=image.sha256,
        at=at,
        **whose,
    )


def for_reader(picture_id: UUID, reader: User) -> Picture | None:
    """The picture, if this person may see it; for others it is not there."""
    rows = Picture.objects.select_related("ticket__buyer", "complaint__buyer", "complaint__shop")
    row = rows.filter(pk=picture_id).first()
    if row is None:
        return None
    if row.ticket:
        theirs, label = people.are_one(row.ticket.buyer, reader), "support.ticket"
    else:
        assert row.complaint  # the database says so
        theirs, label = _is_of(row.complaint, reader), "support.shopcomplaint"
    return row if theirs or rights.may(reader, Act.SEE, label) else None


def _is_of(complaint: ShopComplaint, reader: User) -> bool:
    """Its buyer; and the people of the shop once it is investigated."""
    if people.are_one(complaint.buyer, reader):
        return True
    return complaint.status != ComplaintStatus.OPEN and shop_rights.may(reader, complaint.shop, "talk")
