"""A record to check: days that are over."""

from __future__ import annotations

import pytest


@pytest.fixture
def days_ago():
    """What was written until now was written so many days ago: ``days_ago(2)``. Returns that day."""
    from tests.records.owner import move_back

    return move_back
