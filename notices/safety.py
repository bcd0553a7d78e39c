"""What of other people's words may leave the house in a message (P14).

Whoever is deceived is deceived by a message that looks like ours: so none of ours carries an address that somebody
typed in, nor speaks of passwords and codes beyond saying that we ask for none. In the site the words stand as written.
"""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

LINK = re.compile(
    r"(?i)\b[a-z][a-z0-9+.-]*://\S*|\bwww[.。．]\S+"
    r"|(?<![a-z0-9-])(?:[a-z0-9-]+[.。．])+[a-z]{2,}(?![a-z0-9])(?:[:/?#][^\s，。；]*)?"
    r"|(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])(?:[:/?#]\S*)?"
)
SECRETS = re.compile(
    r"(?i)密\s*码|验\s*证\s*码|校\s*验\s*码|口\s*令|pass\s*word|passcode|\bpin\b|\botp\b|one[- ]time"
    r"|(?:verification|security|sms|login|auth\w*)\s+code"
)


def safe(text: str) -> str:
    """``text`` of people as it may stand in a message: on one line, without addresses; unsaid if it is of secrets."""
    plain = " ".join(text.split())
    if SECRETS.search(plain):
        return _("（内容请登录后查看）")
    return LINK.sub(_("（链接已隐去）"), plain)
