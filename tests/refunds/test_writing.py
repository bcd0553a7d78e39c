"""Many rows in one statement: what stands in memory stands in the table, of every kind of column."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

import clock
from refunds.lifecycle.taking import _WRITTEN
from refunds.models import Refund
from writing import write

pytestmark = pytest.mark.django_db


def test_what_is_in_memory_is_in_the_table_afterwards(reviewed, reviewer):
    first, second = reviewed(), reviewed()
    at = clock.now()
    first.decision_note, first.claimed_by, first.claimed_at = "“它”说：100% {x}, \\ 'y'", reviewer, at
    first.review_left, first.arrival_is_estimate, first.arrival_expected_from = timedelta(hours=5.5), True, at.date()
    second.promised_by = None
    with CaptureQueriesContext(connection) as caught:
        write([first, second], _WRITTEN)
    assert len(caught) == 1
    for row in (first, second):
        found = Refund.objects.get(pk=row.pk)
        assert [getattr(found, name) for name in _WRITTEN] == [getattr(row, name) for name in _WRITTEN]


def test_what_a_column_refuses_is_refused_whole(reviewed):
    """Nothing is cut to fit, and rules of the table hold as ever."""
    refund = reviewed()
    for column, value, error in (("status", "x" * 21, DataError), ("lane", "fast", IntegrityError)):
        setattr(refund, column, value)
        with pytest.raises(error), transaction.atomic():
            write([refund], [column])
        refund.refresh_from_db()


def test_nothing_to_write_is_no_statement(db):
    with CaptureQueriesContext(connection) as caught:
        write([], ["status"])
    assert not caught.captured_queries
