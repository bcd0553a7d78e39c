"""The application's own database role: what is written once it can add and read, no more (I7). Shown as that role."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest
from django.db import connection
from psycopg2 import errors

import clock
from cardshop import grants, health, watching
from ledger import balances
from tests import attacks

pytestmark = pytest.mark.django_db

ROLE = f"app_{secrets.token_hex(4)}"
WRITTEN_ONCE = {
    "ledger_posting", "ledger_entry", "ledger_checkpoint", "refunds_refundevent", "orders_orderevent",
    "shops_codeevent",
    "payments_channelnotification", "payments_attemptevent", "payments_outgoingswitch", "payments_transferevent",
    "records_dailyroot",
}  # fmt: skip
REFUSED = [
    "ALTER TABLE ledger_entry DISABLE TRIGGER ALL",
    "ALTER TABLE ledger_entry ADD COLUMN x int",
    "DROP TRIGGER IF EXISTS recovery_comes_first ON payments_outgoingswitch",
    "DROP TABLE ledger_entry",
    "CREATE TABLE x (id int)",
    "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "SET session_replication_role = replica",
    "INSERT INTO django_migrations (app, name, applied) VALUES ('ledger', 'x', now())",
    "TRUNCATE payments_payment CASCADE",
    "DELETE FROM payments_payment",
]


@pytest.fixture
def as_the_application():
    """Inside, this connection is the application's role."""
    grants.grant(f"postgres://{ROLE}:secret@somewhere/db")
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {ROLE}")
        yield cursor
        cursor.execute("RESET ROLE")


def test_what_is_written_once_is_changed_by_nobody(as_the_application):
    for table in WRITTEN_ONCE | {model._meta.db_table for model in attacks.append_only_models("ledger", "payments")}:
        for sql in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
            assert "permission denied" in attacks.refusal(sql), sql


@pytest.mark.parametrize("sql", REFUSED)
def test_neither_schema_nor_triggers_nor_rights_are_its_to_change(sql, as_the_application):
    said = attacks.refusal(sql)
    refused = ("permission denied", "must be owner", "must be able to", "no privileges")
    assert any(word in said for word in refused), said


def test_it_lives_a_whole_refund(released, ends_as, as_the_application, drain, buy):
    """All that a purchase and a refund write, the ledger's fold and the watch over the database among them."""
    refund = ends_as(released(), "SUCCESS")
    buy(price_fen=100)
    drain()
    balances.fold(at=clock.now(), after=1)
    assert refund.status == "arrived"
    assert watching.identity()[1]
    assert health.role().ok
    assert grants.too_much() == []


def test_the_owner_is_told_that_it_may_do_too_much():
    assert not health.role().ok
    assert health.role().can_wait
    with pytest.raises(ValueError, match="a role of its own"):
        grants.grant(f"postgres://{connection.settings_dict['USER']}@h/db")


@pytest.mark.django_db(transaction=True)
def test_it_comes_in_with_its_password():
    known = connection.settings_dict
    url = f"postgres://{ROLE}_login:p%40ss@{known['HOST']}:{known['PORT']}/{known['NAME']}"
    grants.grant(url)
    grants.grant(url)  # and again after each migration
    try:
        with psycopg2.connect(urlunsplit(urlsplit(url))) as session, session.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM ledger_entry")
            with pytest.raises(errors.InsufficientPrivilege):
                cursor.execute("UPDATE ledger_entry SET amount_fen = 1")
        session.close()
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP OWNED BY {ROLE}_login; DROP ROLE {ROLE}_login")
