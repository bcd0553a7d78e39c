"""《用户协议》: the version in force, which an order keeps with its product page. Words: ``storefront/agreement.py``.

Another text is another version with its day; what was agreed to before is not changed by it.
"""

from __future__ import annotations

from datetime import date

VERSION = 1
DATED = date(2026, 11, 22)
KEY = "agreement"  # in an order line's ``product_page``
