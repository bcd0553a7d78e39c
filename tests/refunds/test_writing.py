"""Many rows in one statement: what stands in memory stands in the table, of every kind of column."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

import clock
from notices.models import Notice
from records import chain
from refunds.lifecycle.taking import _WRITTEN
from refunds.models import Refund, RefundEvent
from writing import Watch, insert, write

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


def test_what_has_changed_since_is_written_and_nothing_else(reviewed, reviewer):
    first, second = reviewed(), reviewed()
    watch = Watch([first, second], _WRITTEN)
    second.claimed_by, second.claimed_at = reviewer, clock.now()
    first.reminded_percent = 50
    with CaptureQueriesContext(connection) as caught:
        watch.write()
    written = re.findall(r'"([a-z_]+)" = new\.c[1-9]', caught[0]["sql"])
    assert written == ["reminded_percent", "claimed_by_id", "claimed_at"]
    for row in (first, second):
        found = Refund.objects.get(pk=row.pk)
        assert [getattr(found, name) for name in _WRITTEN] == [getattr(row, name) for name in _WRITTEN]
    with CaptureQueriesContext(connection) as caught:
        Watch([first], _WRITTEN).write()
    assert not caught.captured_queries


def test_new_rows_stand_in_the_table_with_their_keys_and_what_the_database_gave_them(reviewed, reviewer):
    refund, at = reviewed(), clock.now()
    linked = [
        RefundEvent(refund=refund, step=step, from_status="", to_status=refund.status, actor=who, role=role,
                    note="“它”说：100% {x}, \\ 'y'", at=at)
        for step, who, role in (("claim", reviewer, "reviewer"), ("hand_over", None, "system"))
    ]  # fmt: skip
    chain.link(linked, after=chain.latest(RefundEvent, [refund.pk]))
    told = [Notice(recipient=reviewer, kind="x", params={"a": [1, "二", None]}, path="/", source="x", created_at=at)]
    for rows in (linked, told):
        with CaptureQueriesContext(connection) as caught:
            insert(rows)
        assert len(caught) == 1
        found = type(rows[0]).objects.in_bulk([row.pk for row in rows])
        assert [_columns(found[row.pk]) for row in rows] == [_columns(row) for row in rows]
    assert list(chain.broken(refund.events.order_by("sequence"))) == []


def _columns(row):
    values = [getattr(row, field.attname) for field in row._meta.concrete_fields]
    return [bytes(value) if isinstance(value, memoryview) else value for value in values]


def test_what_a_column_refuses_is_not_inserted(reviewer):
    for broken in ({"kind": "x" * 99}, {"recipient": None}):
        row = Notice(**{"recipient": reviewer, "kind": "x", "source": "x", "created_at": clock.now()} | broken)
        with pytest.raises((DataError, IntegrityError)), transaction.atomic():
            insert([row])


def test_nothing_to_write_is_no_statement(db):
    with CaptureQueriesContext(connection) as caught:
        write([], ["status"])
        write([Refund(pk=1)], [])
        insert([])
    assert not caught.captured_queries
