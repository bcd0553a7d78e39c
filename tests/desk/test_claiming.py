"""认领: the next case in one click, never the same for two; what a colleague has on their desk is theirs (K1)."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection

import clock
from accounts.desk import page_url
from refunds import lifecycle, worklist
from refunds.lifecycle import guards
from refunds.models import Refund
from tests.desk.conftest import address, text
from tests.plans import only_by_index

QUEUE = "/admin/refunds/refund/"
NEXT = f"{QUEUE}claim-next/"


def shown(seat, **query) -> list[str]:
    return [refund.refund_no for refund in seat.get(QUEUE, query_params=query).context["cl"].result_list]


@pytest.mark.django_db
def test_who_urged_comes_first_then_what_is_complete_then_frequent_buyers_then_by_deadline(sits, reviewer, reviewed):
    late, early, complete, frequent, urged = (reviewed() for _ in range(5))
    at = clock.now()
    for case, columns in [
        (late, {"promised_by": at + timedelta(hours=9)}),
        (early, {"promised_by": at + timedelta(hours=3)}),
        (complete, {"promised_by": at + timedelta(hours=20), "is_complete": True}),
        (frequent, {"promised_by": at + timedelta(hours=8), "is_frequent": True}),
        (urged, {"promised_by": at + timedelta(hours=30), "urged_at": at}),
    ]:
        Refund.objects.filter(pk=case.pk).update(**{"is_complete": False} | columns)
    order = [case.refund_no for case in (urged, complete, frequent, early, late)]
    assert shown(sits(reviewer)) == order
    assert [worklist.claim_next(reviewer, at=at).refund_no for _ in range(5)] == order
    assert worklist.claim_next(reviewer, at=at) is None


@pytest.mark.django_db
def test_one_click_claims_and_opens_it(sits, reviewer, senior, finance, reviewed):
    refund = reviewed()
    seat, boss = sits(reviewer), sits(senior)
    assert NEXT in text(seat.get(QUEUE))
    assert seat.get(NEXT).status_code == 405
    assert sits(finance).client.post(NEXT).status_code == 403
    assert seat.client.post(NEXT).headers["Location"] == page_url(refund)
    refund.refresh_from_db()
    assert refund.claimed_by == reviewer
    assert refund.events.latest("sequence").step == "claim"
    assert shown(seat, queue="desk") == [refund.refund_no]
    assert shown(boss, queue="desk") == []
    assert shown(boss, claimed="others") == [refund.refund_no]
    assert boss.client.post(NEXT).headers["Location"] == QUEUE  # nothing is left to claim
    assert "没有等您认领的退款单了" in text(boss.get(QUEUE))


@pytest.mark.django_db
def test_what_a_colleague_claimed_is_theirs_for_half_an_hour(sits, reviewer, senior, colleague, reviewed):
    refund = reviewed()
    lifecycle.claim([refund], by=colleague, at=clock.now())
    seat = sits(reviewer)
    assert "colleague" in text(seat.get(QUEUE))
    page = text(seat.get(page_url(refund)))
    assert "认领了这张退款单" in page
    assert address("approve", refund) not in page
    assert "认领了这张退款单" in seat.reads(seat.does("approve", refund))
    assert address("approve", refund) in text(sits(senior).get(page_url(refund)))  # a senior is not held up
    clock.advance(guards.CLAIM_LASTS)
    assert address("approve", refund) in text(seat.get(page_url(refund)))
    assert seat.client.post(NEXT).headers["Location"] == page_url(refund)


@pytest.mark.django_db
def test_a_case_is_handed_to_a_colleague_or_put_back(sits, reviewer, colleague, senior, finance, reviewed):
    refund = reviewed()
    seat = sits(reviewer)
    seat.does("claim", refund)
    dialog = text(seat.dialog("hand_over", refund))
    assert f'<option value="{colleague.pk}"' in dialog
    assert f'<option value="{finance.pk}"' not in dialog
    assert f'<option value="{reviewer.pk}"' not in dialog
    assert "HX-Redirect" not in seat.does("hand_over", refund, to=str(finance.pk)).headers
    seat.does("hand_over", refund, to=str(colleague.pk), note="请你看一下充值记录")
    refund.refresh_from_db()
    assert refund.claimed_by == colleague
    sits(colleague).does("hand_over", refund, to="")
    refund.refresh_from_db()
    assert refund.claimed_by is None


@pytest.mark.django_db
def test_nobody_is_given_an_own_case_or_one_that_they_decided(house, buy, reveal, apply, senior, other_senior):
    order = buy(price_fen=8800, by=senior)
    reveal(order)
    own = apply(order)
    assert worklist.claim_next(senior, at=clock.now()) is None
    assert worklist.claim_next(other_senior, at=clock.now()) == own
    refused = house.case("senior reject", "buyer appeal")
    assert worklist.claim_next(senior, at=clock.now()) is None
    assert worklist.claim_next(other_senior, at=clock.now()) == refused


@pytest.mark.django_db(transaction=True)
def test_many_who_press_at_once_get_a_case_each(reviewed, reviewer, senior, colleague):
    cases = [reviewed() for _ in range(3)]
    gate, got = threading.Barrier(3), []

    def press(person) -> None:
        gate.wait()
        got.append(worklist.claim_next(person, at=clock.now()))
        connection.close()

    threads = [threading.Thread(target=press, args=(person,)) for person in (reviewer, senior, colleague)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {case.pk for case in got if case} == {case.pk for case in cases}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "queue"),
    [("reviewer", "mine"), ("senior", "mine"), ("senior", "review"), ("senior", "appeals"), ("senior", "second"),
     ("reviewer", "missing")],
)  # fmt: skip
def test_the_desks_order_is_an_index(role, queue, staff, reviewed):
    """Nothing is sorted: the first page reads thirty rows of the index, however many wait."""
    reviewed()
    asked = worklist.worklist(queue, staff[role])
    rows = Refund.objects.filter(asked.rows).order_by(*asked.order)[:30]
    only_by_index()
    plan = rows.explain()
    assert "Index Scan using refund_missing" in plan if queue == "missing" else "refund_on_desk" in plan, plan
    assert "Sort" not in plan, plan


@pytest.mark.django_db
def test_the_next_to_claim_is_found_by_the_index(senior, reviewed):
    reviewed()
    rows = worklist._decidable(senior).filter(worklist.CLAIMED["senior"], worklist.unclaimed(at=clock.now()))
    only_by_index()
    plan = rows.order_by(*worklist.DESK_ORDER)[:1].explain()
    assert "refund_on_desk" in plan, plan
    assert "Sort" not in plan, plan
