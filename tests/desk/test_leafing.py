"""Long lists of the desk, leaf by leaf: every row is reached, from both ends, whatever happens in between."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.contrib.admin.views.main import PAGE_VAR
from django.db import connection
from django.test.utils import CaptureQueriesContext

import clock
import paging
from accounts.desk import Desk
from accounts.models import User
from bench import scale_rows
from refunds import worklist
from refunds.models import Refund
from tests.desk.conftest import text
from tests.plans import only_by_index

pytestmark = pytest.mark.django_db

QUEUE = "/admin/refunds/refund/"
CASES = 240


@pytest.fixture
def queue(monkeypatch):
    """The reviewers' queue, three leaves long: urged ones and others, complete or not, some due at one moment, some
    never."""
    monkeypatch.setattr(Desk, "list_per_page", 30)
    scale_rows.write(orders=CASES, open_cases=CASES)
    with scale_rows.without_triggers():
        Refund.objects.filter(pk__in=range(1, CASES + 1, 3)).update(promised_by=clock.now())
        Refund.objects.filter(pk__in=range(1, CASES + 1, 5)).update(promised_by=None)
        Refund.objects.filter(pk__in=range(1, CASES + 1, 8)).update(urged_at=clock.now() - timedelta(minutes=5))
    asked = worklist.QUEUES["review"]
    return list(Refund.objects.filter(asked.rows).order_by(*asked.order).values_list("pk", flat=True))


@pytest.fixture
def seat(sits, queue):
    """A reviewer's."""
    return sits(User.objects.get(pk=scale_rows.REVIEWER))


@pytest.fixture
def walks(seat):
    """``walks("later")``: the keys of the queue's leaves, one list for each, by the links of that direction."""

    def leaves(way, start="", *, name="review", between=lambda: None):
        asked = start
        for _ in range(20):
            listing = seat.get(QUEUE, query_params={"queue": name, PAGE_VAR: asked}).context["cl"]
            yield [row.pk for row in listing.result_list]
            asked = getattr(listing.leaf, way)
            if not asked:
                return
            between()
        raise AssertionError("the leaves do not end")

    return leaves


def test_every_case_is_seen_once_forwards_and_backwards(queue, walks):
    forwards = list(walks("later"))
    assert len(forwards) >= 4
    assert [key for leaf in forwards for key in leaf] == queue
    backwards = list(walks("earlier", paging.LAST))
    assert [key for leaf in reversed(backwards) for key in leaf] == queue
    assert backwards[0] == queue[-Desk.list_per_page :]
    assert [len(leaf) for leaf in backwards[:-1]] == [Desk.list_per_page] * (len(backwards) - 1)


@pytest.mark.parametrize("name", ["release", "all"])
def test_the_other_orders_leaf_alike(name, queue, walks):
    asked = worklist.QUEUES[name]
    rows = list(Refund.objects.filter(asked.rows).order_by(*asked.order).values_list("pk", flat=True))
    assert len(rows) > Desk.list_per_page
    assert [key for leaf in walks("later", name=name) for key in leaf] == rows
    assert next(walks("earlier", paging.LAST, name=name)) == rows[-Desk.list_per_page :]


def test_a_case_that_leaves_takes_no_other_with_it(queue, walks):
    """The last row of each leaf is decided before the next one is asked for: the mark knows where it stood."""
    seen: list[int] = []

    def between() -> None:
        with scale_rows.without_triggers():
            Refund.objects.filter(pk=seen[-1]).update(status="withdrawn", queue="nobody", urged_at=None, held_fen=0)

    for leaf in walks("later", between=between):
        seen += leaf
    assert seen == queue
    assert Refund.objects.filter(pk__in=queue, status="withdrawn").count() >= 3


def test_past_either_end_stands_the_leaf_at_that_end(queue, walks):
    after_all = paging._said("after", [None, False, False, None, 10**9])
    assert next(walks("later", after_all)) == queue[-Desk.list_per_page :]
    before_all = paging._said("before", [clock.now() - timedelta(days=9), True, True, clock.now(), 1])
    assert next(walks("later", before_all)) == queue[: Desk.list_per_page]


@pytest.mark.parametrize(
    "mark",
    [
        "7", "999999999999", "-1", "last?", "after", "after:", "after:{}", "after:[]", "after:[1]", "after:[null]",
        "sideways:[null,true,true,null,1]", "after:[null,true,true,null,null]", "after:[null,null,true,null,1]",
        "after:[null,1,true,null,1]", "after:[null,true,true,null,true]", "after:[null,true,true,null,1e3]",
        "after:[null,true,true,null,99999999999999999999]", 'after:[null,true,true,null,"1; DROP TABLE"]',
        'after:["2026-11-22T10:00:00",true,true,null,1]', 'after:["\\u0000",true,true,null,1]',
        'after:["\\ud800",true,true,null,1]', 'after:["0001-01-01T00:00:00+23:59",true,true,null,1]',
        'after:["9999-12-31T23:59:59-23:59",true,true,null,1]', "after:[NaN,true,true,null,1]",
        "after:" + "[" * 1900, "after:[" + "1" * 1900 + "]", "\0", "after:[\0]", "after:[[],{},[],{},[]]",
    ],
)  # fmt: skip
def test_a_mark_that_makes_no_sense_begins_anew(mark, queue, seat):
    answer = seat.get(QUEUE, query_params={"queue": "review", PAGE_VAR: mark})
    assert answer.status_code == 200
    assert [row.pk for row in answer.context["cl"].result_list] == queue[: Desk.list_per_page]


def test_a_mark_within_reason_is_no_error_on_any_list(sits, queue):
    """A key beyond any row, and texts as no policy has for a code."""
    seat = sits(User.objects.get(pk=scale_rows.OPERATOR))
    for address, values in [
        ("/admin/orders/order/", [2**62]), ("/admin/accounts/user/", [-(2**63)]), ("/admin/shops/shop/", [0]),
        ("/admin/shops/refundpolicy/", ["' OR 1=1 --", 2**40]), ("/admin/ledger/account/", ["\ud800"]),
        ("/admin/ledger/account/", ["卡" * 200]), ("/admin/shops/cardcode/", ["no key"]),
    ]:  # fmt: skip
        for way in ("after", "before"):
            mark = f"{way}:{json.dumps(values)}"
            assert seat.get(address, query_params={PAGE_VAR: mark}).status_code == 200, (address, mark)


def test_the_links_stand_below_the_list(queue, seat):
    page = text(seat.get(f"{QUEUE}?queue=review"))
    assert f"共 {len(queue)} 条" in page
    assert 'href="?p=last&amp;queue=review"' in page
    assert page.count('aria-disabled="true"') == 2  # no leaf stands before the first
    page = text(seat.get(f"{QUEUE}?queue=review&p=last"))
    assert 'href="?queue=review"' in page
    assert "desk-leaves" in text(seat.get("/admin/shops/shop/"))


def test_nothing_is_sorted_by_a_column_that_has_no_index(seat):
    """Neither from a column's head nor from an address that somebody kept."""
    first = [row.pk for row in seat.get(f"{QUEUE}?queue=all").context["cl"].result_list]
    answer = seat.get(f"{QUEUE}?queue=all&o=4")
    assert [row.pk for row in answer.context["cl"].result_list] == first
    assert "o=4" not in text(answer)


@pytest.mark.parametrize("way", ["after", "before"])
@pytest.mark.parametrize("urged", [True, False])
def test_a_leaf_is_found_by_the_index_alone(way, urged, queue):
    """Nothing is sorted but the few keys that are found, and no stretch is read from its far end."""
    asked = worklist.QUEUES["review"]
    mark = paging._said(way, [clock.now() if urged else None, True, False, clock.now(), 60])
    only_by_index()
    with CaptureQueriesContext(connection) as captured:
        paging.leaf(Refund.objects.filter(asked.rows), asked.order, asked=mark)
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + captured[0]["sql"])
        plan = [line for (line,) in cursor.fetchall()]
    assert sum("refund_on_desk" in line for line in plan) >= 4
    assert not [line for line in plan if "Scan" in line and "refund_on_desk" not in line and "Subquery" not in line]
    assert sum("Sort  (" in line for line in plan) <= 1, plan


def test_what_waits_is_counted_by_indexes(queue):
    """Every page of the desk says how much waits: however much it is, only what is counted is read."""
    only_by_index(may_sort=True)
    at = clock.now()
    with CaptureQueriesContext(connection) as captured:
        worklist.backlog(at=at)
    (counting,) = [query["sql"] for query in captured]
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + counting)
        plan = [line for (line,) in cursor.fetchall()]
    assert not [line for line in plan if "Seq Scan" in line]
    for index in ("refund_by_status_on_desk", "refund_to_release", "refund_returned", "objection_open"):
        assert [line for line in plan if index in line], (index, plan)
