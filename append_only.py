"""Rows that are written once and never change: the database refuses UPDATE, DELETE and TRUNCATE (I7)."""

from __future__ import annotations

import pgtrigger


def append_only(name: str) -> list[pgtrigger.Trigger]:
    """Triggers for a model's ``Meta.triggers``; ``name`` says what is protected, and stands in the error."""
    return [
        pgtrigger.Protect(name=name, operation=pgtrigger.Update | pgtrigger.Delete),
        pgtrigger.Trigger(
            name=f"{name}_whole",
            level=pgtrigger.Statement,
            when=pgtrigger.Before,
            operation=pgtrigger.Truncate,
            func=f"RAISE EXCEPTION '{name}: these rows are never removed';",
        ),
    ]
