"""批量申请: many orders in one request, each answered for itself."""

from __future__ import annotations

import pytest

import clock
from cardshop import invariants
from orders import delivery
from refunds.models import Refund
from shops.models import CardCode, CodeState
from shops.stock import Viewer

pytestmark = pytest.mark.django_db
PATH = "/api/refunds/batch/"


def test_each_order_is_answered_for_itself(api, buyer, stranger, buy, drain):
    """Asked for; with a case already; another's; unpaid for this reason; unknown; twice in the list."""
    fresh, running, used, others = buy(), buy(), buy(), buy(by=stranger)
    me = api(buyer)
    number = me.post("/api/refunds/", {"order_no": running.order_no, "reason": "changed_mind"}).json()["refund_no"]
    line = used.lines.get()
    delivery.reveal(line, viewer=Viewer(buyer, "203.0.113.7", "phone"), at=clock.now())
    wanted = [fresh.order_no, running.order_no, used.order_no, others.order_no, "D00000000000000", fresh.order_no]

    answer = me.post(PATH, {"order_nos": wanted, "reason": "changed_mind"})

    assert answer.status_code == 200, answer.content
    lines = answer.json()["results"]
    assert [row["order_no"] for row in lines] == wanted[:-1]
    assert [row["result"] for row in lines] == ["submitted", "already_active", "refused", "not_found", "not_found"]
    made = Refund.objects.get(order=fresh)
    assert (lines[0]["refund_no"], lines[0]["amount_fen"]) == (made.refund_no, made.amount_fen)
    assert me.get(lines[0]["url"]).json()["status"] == "submitted"
    assert (lines[1]["refund_no"], lines[1]["url"].endswith(f"{number}/")) == (number, True)
    assert lines[2]["code"] == "reason_does_not_fit"
    assert not Refund.objects.filter(order__in=[used, others]).exists()
    assert CardCode.objects.get(delivery__line__order=fresh).state == CodeState.FROZEN
    assert invariants.broken() == []

    again = me.post(PATH, {"order_nos": [fresh.order_no], "reason": "changed_mind"}).json()["results"]
    assert [(row["result"], row["refund_no"]) for row in again] == [("already_active", made.refund_no)]
    drain()
    made.refresh_from_db()
    assert made.status == "arrived"


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"order_nos": [], "reason": "changed_mind"}, "order_nos"),
        ({"order_nos": ["D0"] * 101, "reason": "changed_mind"}, "order_nos"),
        ({"order_nos": ["D0"], "reason": "because"}, "reason"),
        ({"order_nos": ["D0"], "reason": "changed_mind", "amount_fen": 1}, "amount_fen"),
    ],
)
def test_what_makes_no_sense_is_refused_as_a_whole(api, buyer, sent, field):
    answer = api(buyer).post(PATH, sent)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])


@pytest.mark.parametrize("words", ["", " \u200b\u2060 "])
def test_words_that_a_reason_needs_are_asked_for_before_any_order(words, api, buyer, buy):
    """Blanks that nobody sees are none."""
    asked = {"order_nos": [buy().order_no], "reason": "other", "description": words}
    answer = api(buyer).post(PATH, asked)
    assert (answer.status_code, answer.json()["code"]) == (400, "description_missing")
    assert not Refund.objects.exists()


def test_no_code_of_any_of_the_orders_stands_in_the_words(api, buyer, buy):
    """PM16: one sentence about many orders, with the code of each."""
    first, second = buy(), buy()
    texts = [delivery.reveal(order.lines.get(), viewer=Viewer(buyer, "203.0.113.7", "phone"), at=clock.now())
             for order in (first, second)]  # fmt: skip
    words = f"昨晚八点 {texts[0]} 和 {texts[1]} 都提示已使用"
    answer = api(buyer).post(
        PATH, {"order_nos": [first.order_no, second.order_no], "reason": "invalid_code", "description": words}
    )
    assert [row["result"] for row in answer.json()["results"]] == ["submitted", "submitted"]
    for description in Refund.objects.values_list("description", flat=True):
        assert "昨晚八点" in description
        assert not [text for text in texts if text in description]
