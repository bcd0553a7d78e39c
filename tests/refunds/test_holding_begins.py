"""The version that began to hold shops' money, on what the one before had left: every case, heard of or not."""

from __future__ import annotations

import importlib

import pytest
from django.db import connection

import clock
from cardshop import invariants
from ledger import balances, posting
from payments import refunding
from refunds import disbursement
from refunds.models import Status as S
from tests.cases import House, attempt_of, hint

pytestmark = pytest.mark.django_db

MIGRATION = "refunds.migrations.0021_hold_what_open_cases_ask_for"
BEFORE = (  # nothing was held; channels paid from, and gave back to, what the shop is owed
    "SET CONSTRAINTS ALL IMMEDIATE",
    "ALTER TABLE refunds_refund DROP CONSTRAINT shops_money_is_held_for_open_case",
    "SET session_replication_role = replica",
    "DELETE FROM ledger_entry WHERE posting_id IN (SELECT id FROM ledger_posting WHERE ref ~ '^(hold|fee):')",
    "DELETE FROM ledger_posting WHERE ref ~ '^(hold|fee):'",
    "UPDATE ledger_entry AS entry SET account_id = shop.id FROM ledger_account AS held, ledger_account AS shop"
    " WHERE entry.account_id = held.id AND held.kind = 'held' AND shop.code = 'shop:' || split_part(held.code, ':', 2)",
    "UPDATE refunds_refund SET held_fen = 0",
    "RESET session_replication_role",
    "SET CONSTRAINTS ALL DEFERRED",
)


class Editor:
    """As much of a schema editor as the migration uses."""

    @staticmethod
    def execute(sql: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql)


def migrated() -> None:
    for line in BEFORE:
        Editor.execute(line)
    importlib.import_module(MIGRATION).hold(None, Editor)


def held_of(refund) -> int:
    account = posting.held_account(refund.order.shop_id)
    return balances.owed([account])[account]


def test_open_cases_hold_what_they_ask_for(house: House):
    refund = house.case(price_fen=8800)
    migrated()
    refund.refresh_from_db()
    assert (refund.held_fen, held_of(refund)) == (8800, 8800)
    house.on(refund, "reviewer reject")
    assert held_of(refund) == 0
    assert invariants.broken(house.simulator.ledger()) == []


@pytest.mark.parametrize(("was", "becomes", "status", "held_fen"), [
    ("PROCESSING", "SUCCESS", S.ARRIVED, 0), ("SUCCESS", "ABNORMAL", S.RETURNED, 8800),
])  # fmt: skip
def test_news_that_a_case_had_not_heard_yet(was: str, becomes: str, status: S, held_fen: int, house: House):
    refund = house.sent(house.case("reviewer approve", price_fen=8800))
    refunding.sweep(at=clock.now())
    if was == "SUCCESS":
        refund = house.ends_as(refund, "SUCCESS")
    attempt = attempt_of(refund)
    house.simulator.settle(attempt.request_no, becomes)
    hint(attempt)
    refunding.sweep(at=clock.now())
    migrated()
    assert held_of(refund) == held_fen
    disbursement.hear(at=clock.now())
    refund.refresh_from_db()
    assert (refund.status, refund.held_fen, held_of(refund)) == (status, held_fen, held_fen)
    assert invariants.broken() == []
