"""Money is an int of fen everywhere; this is how people read it, and how it is split."""

from __future__ import annotations

from collections.abc import Sequence


def yuan(amount_fen: int) -> str:
    """123456 → ¥1,234.56. No fen is ever lost."""
    sign = "-" if amount_fen < 0 else ""
    return f"{sign}¥{abs(amount_fen) // 100:,}.{abs(amount_fen) % 100:02d}"


def share_out(amount_fen: int, weights_fen: Sequence[int]) -> list[int]:
    """Split ``amount_fen`` in proportion to the weights, by largest remainder: the parts sum exactly (I12, P11)."""
    total = sum(weights_fen)
    if not 0 < amount_fen <= total:
        raise ValueError(f"share_out: {amount_fen} does not fit into {total}")
    parts = [amount_fen * weight // total for weight in weights_fen]
    by_remainder = sorted(range(len(parts)), key=lambda i: (-(amount_fen * weights_fen[i] % total), i))
    for i in by_remainder[: amount_fen - sum(parts)]:
        parts[i] += 1
    return parts
