"""What is written in tickets and complaints, before it is kept: tidied, codes masked, warned of (PM16, S4-20)."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from orders import masking, talk
from orders.models import Order

LONGEST = 1000


class CannotWrite(Exception):
    """Nothing written, or too much. The message is for the author."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read(text: str, *, longest: int = LONGEST) -> str:
    """What somebody typed. Raises CannotWrite."""
    words = masking.tidy(text)
    if not words:
        raise CannotWrite("empty", _("请写下要说的话。"))
    if len(words) > longest:
        raise CannotWrite("too_long", _("一次最多 %(most)d 个字，请分几次说。") % {"most": longest})
    return words


def masked(text: str, order: Order | None, *, before: Sequence[str] = ()) -> str:
    """Without what is a code of the order, of our stock, or looks like one."""
    own = masking.mask(order, text, before=before) if order else masking.mask_alike(text)
    return masking.mask_any(own)


def warnings_in(text: str) -> list[str]:
    return talk.warnings_in(text)
