"""What a provider of real-name verification has to keep to, whoever it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class ProviderDown(Exception):
    """No answer, or none that can be believed. Neither a pass nor a refusal: nothing is kept."""


@dataclass(frozen=True)
class Outcome:
    """``reason`` of a refusal: "mismatch" (not one person's) or "under_age"; else empty. Never a name or a number."""

    is_passed: bool
    reason: str = ""


class Provider(Protocol):
    """Keeps the two words for no longer than it asks with them, and writes them into no log."""

    def verify(self, name: str, id_number: str) -> Outcome:
        """``id_number``: 18 characters whose check digit is right. Raises ProviderDown."""
