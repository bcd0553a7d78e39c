"""How often Python looks for cycles of dead objects.

Almost everything that a request or a sweep makes is freed as soon as nobody holds it. Yet after each 700 new objects
Python's default looks through the young ones, and a page of rows is thousands: a tenth of our processor's time went
there (docs/decisions/0029-the-whole-pipeline.md).
"""

from __future__ import annotations

import gc

NEW_OBJECTS = 50_000


def look_rarely() -> None:
    """For a process that serves for long. What was loaded until now stays, and is never looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
