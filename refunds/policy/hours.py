"""How long a review may take."""

from __future__ import annotations


def hours_to_review(
    *, usual: int, complete: int, high_value: int, extra: int, is_complete: bool, is_large: bool, is_cross_border: bool
) -> int:
    """S0-17: what is complete is decided sooner; S2-8: what two people look at, and S3-14, goods from abroad, take
    longer."""
    hours = max(usual, high_value) if is_large else min(usual, complete) if is_complete else usual
    return hours + (extra if is_cross_border else 0)
