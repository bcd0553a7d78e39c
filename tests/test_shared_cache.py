"""The counts of throttles: a write is one statement, and what still counts is never thrown away."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.db import connection

pytestmark = pytest.mark.django_db


def test_what_is_written_is_read_until_it_expires():
    cache.set("visits", [3.0, 2.0], 60)
    cache.set("visits", [4.0, 3.0, 2.0], 60)
    assert cache.get("visits") == [4.0, 3.0, 2.0]
    cache.set("visits", [5.0], 0)
    assert cache.get("visits") is None
    cache.set("for_ever", "yes", None)
    assert cache.get("for_ever") == "yes"


def test_a_write_is_one_statement(django_assert_num_queries, monkeypatch):
    monkeypatch.setattr("random.randrange", lambda _: 1)
    with django_assert_num_queries(1):
        cache.set("visits", [1.0], 60)


def test_no_crowd_of_others_makes_it_forget_a_count_that_still_holds(monkeypatch):
    """Django's own backend throws a third away above 300 rows: whoever guesses passwords would begin anew."""
    monkeypatch.setattr("random.randrange", lambda _: 0)
    cache.set("a:guesser", [1.0], 60)
    cache.set("a:over", [1.0], -60)
    for number in range(400):
        cache.set(f"visitor:{number}", [1.0], 60)
    cache.add("newcomer", True, 60)
    assert cache.get("a:guesser") == [1.0]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM django_cache WHERE cache_key LIKE '%%a:over'")
        assert cursor.fetchone() == (0,)
