"""`make bench`'s pipeline in small: what it asks for is refunded without a person, and its books hold."""

from __future__ import annotations

import pytest

from bench import pipeline, pipeline_floor, pipeline_rows
from cardshop import invariants
from refunds.models import Lane, Refund, Status

pytestmark = pytest.mark.django_db


def test_what_it_sells_is_asked_for_over_http_and_arrives(simulator, drain):
    import clock

    at = clock.now()
    products = pipeline_rows._goods(at)
    for requests, each in ((6, 1), (2, 5)):
        asked = pipeline_rows._sold(products, requests, each, at)
        statements = [pipeline_rows._statements(line) for line in asked]
        assert max(map(len, statements)) < 40
        drain()
        cases = Refund.objects.filter(order__order_no__in=[no for _session, numbers in asked for no in numbers])
        assert list(cases.values_list("status", "lane").distinct()) == [(Status.ARRIVED, Lane.ONE_CLICK)]
        assert cases.count() == requests * each
    assert invariants.broken(simulator.ledger()) == []


def test_the_floor_is_six_transactions_a_refund():
    script = pipeline_floor.script()
    assert script.count("BEGIN;") == script.count("END;") == script.count("UPDATE refund") == 5
    assert script.count("INSERT INTO refund ") == 1
    assert script.count("INSERT INTO event ") == 5
    assert script.count("INSERT INTO entry ") == 1


def test_its_figures_fail_when_it_is_slow():
    floor = pipeline_floor.Floor(per_second=1000.0, cpu_ms=1.0)
    slow = pipeline.Found(
        each=1, refunds=10, seconds=1.0, floor=floor, took=[0.1], statements=60, messages=40,
        cpu_ms={"web": 20.0, "worker": 20.0, "PostgreSQL": 20.0, "simulator": 1.0},
    )  # fmt: skip
    assert all(value > most for _, value, most, _ in pipeline.figures(slow))
    good = pipeline.Found(
        each=1, refunds=300, seconds=1.0, floor=floor, took=[0.1], statements=10, messages=40,
        cpu_ms={"web": 1.0, "worker": 1.0, "PostgreSQL": 1.0, "simulator": 9.0},
    )  # fmt: skip
    assert all(value <= most for _, value, most, _ in pipeline.figures(good))
