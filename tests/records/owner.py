"""What the owner of the database can do behind the shop's back: SQL with every trigger off."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date, timedelta

from django.db import connection, transaction
from django.utils import timezone

from records import roots


@contextmanager
def as_owner():
    """SQL with every trigger off, as only the database's owner can; undone afterwards."""
    with transaction.atomic():
        mark = transaction.savepoint()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET LOCAL session_replication_role = replica")
            yield cursor
            cursor.execute("SET LOCAL session_replication_role = DEFAULT")
        transaction.savepoint_rollback(mark)


def behind_our_back(sql, *values):
    """The same, and it stays."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, values)
        changed = cursor.rowcount
        cursor.execute("SET LOCAL session_replication_role = DEFAULT; SET CONSTRAINTS ALL DEFERRED")
    assert changed, sql


def move_back(days: int) -> date:
    """What was written within the last hours was written so many days ago. Returns that day."""
    for kind in roots.streams():
        if kind.objects.exists():
            behind_our_back(
                f"UPDATE {kind._meta.db_table} SET recorded_at = recorded_at - %s"
                " WHERE recorded_at > now() - interval '12 hours'",
                timedelta(days=days),
            )
    return timezone.localdate(roots.now()) - timedelta(days=days)
