"""工号: the number that a member of the staff signs with, and by which anybody may ask whether they are ours (B13).

It is the account's own key plus 1000: stable for as long as the account is there, the same in a message of years ago,
never given to two people, and nobody has to hand it out (docs/decisions/0018-support.md).
"""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from accounts import rights
from accounts.models import User

BEFORE_THE_FIRST = 1000
_WRITTEN = re.compile(r"(?:客服|工号|agent|no\.?|[\s:：#])*([0-9]{4,18})", re.IGNORECASE)


def number_of(user_id: int) -> int:
    """工号 of an account."""
    return BEFORE_THE_FIRST + user_id


def title(user_id: int) -> str:
    """What buyers and shops read instead of a name."""
    return _("客服 工号 %(number)d") % {"number": number_of(user_id)}


def read(text: str) -> int | None:
    """The number in what somebody typed ("1001", "工号 1001"); None if there is none."""
    found = _WRITTEN.fullmatch(text.strip())
    return int(found[1]) if found else None


def at_work(number: int) -> User | None:
    """The member of the staff with this number, as long as they are one; None for everybody else."""
    person = User.objects.filter(pk=number - BEFORE_THE_FIRST).first()
    return person if person and rights.is_staff(person) else None
