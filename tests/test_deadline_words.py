"""A deadline is written so that nobody comes a day late."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.utils import translation

import clock
from refunds import followups
from storefront.templatetags.words import deadline


@pytest.mark.parametrize(
    ("at", "page", "letter"),
    [
        ("2026-11-25 00:00", "11月24日 24:00", "11-24 24:00"),  # "before the 25th, 00:00" reads like "on the 25th"
        ("2027-01-01 00:00", "12月31日 24:00", "12-31 24:00"),
        ("2026-11-25 00:01", "11月25日 00:01", "11-25 00:01"),
        ("2026-11-25 14:30", "11月25日 14:30", "11-25 14:30"),
    ],
)
def test_the_end_of_a_day_belongs_to_that_day(at, page, letter):
    moment = datetime.fromisoformat(at).replace(tzinfo=clock.SHANGHAI)
    assert (deadline(moment), followups.moment(moment)) == (page, letter)
    with translation.override("en"):
        assert deadline(moment).endswith(page.split()[1])
