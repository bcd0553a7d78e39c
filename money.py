"""Money is an int of fen everywhere; this is how people read it."""

from __future__ import annotations


def yuan(amount_fen: int) -> str:
    """123456 → ¥1,234.56. No fen is ever lost."""
    sign = "-" if amount_fen < 0 else ""
    return f"{sign}¥{abs(amount_fen) // 100:,}.{abs(amount_fen) % 100:02d}"
