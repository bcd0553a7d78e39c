"""存证核对 on the desk: any number's chain, and one button that says whether it is as it was written (O3, X19, I7)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from records import roots
from refunds.admin import chains
from refunds.models import RefundEvent
from tests.desk.conftest import text
from tests.records.owner import behind_our_back, move_back

pytestmark = pytest.mark.django_db
PAGE = "/admin/refunds/refundevent/chain/"


@pytest.fixture
def told(buy: Any, reveal: Any, apply: Any) -> Any:
    """A case whose chain, with its order's and its code's, is in a published root."""
    order = buy()
    reveal(order)
    refund = apply(order)
    move_back(1)
    roots.publish(at=roots.now())
    return refund


def asked(seat: Any, number: object, *, check: bool = True) -> Any:
    return seat.get(PAGE, query_params={"q": str(number)} | ({"check": "1"} if check else {}))


def test_a_chain_is_listed_and_verified_by_any_of_its_numbers(told: Any, sits: Any, reviewer: Any) -> None:
    seat, order = sits(reviewer), told.order
    code = order.lines.get().delivery.code
    numbers = {told.refund_no: ("退款单", told), order.order_no.lower(): ("订单", order), code.pk: ("卡密", code)}
    for number, (known_as, subject) in numbers.items():
        listed = asked(seat, number, check=False)
        assert (listed.context["known_as"], len(listed.context["rows"])) == (known_as, subject.events.count())
        assert listed.context["findings"] is None
        assert "验证通过" in text(asked(seat, number))


def test_the_changed_row_is_named(told: Any, sits: Any, reviewer: Any) -> None:
    seat = sits(reviewer)
    event = told.events.get(step="submit")
    behind_our_back("UPDATE refunds_refundevent SET note = 'X' WHERE id = %s", event.pk)
    answer = asked(seat, told.refund_no)
    assert [finding.said for finding in answer.context["findings"]] == ["第 1 条的说明或操作信息与写入时不同"]
    assert [row.sequence for row in answer.context["rows"] if row.is_named] == [1]
    assert "验证不通过" in text(answer)
    behind_our_back("UPDATE refunds_refund SET status = 'withdrawn', held_fen = 0 WHERE id = %s", told.pk)
    said = [finding.said for finding in asked(seat, told.refund_no).context["findings"]]
    assert said[1].startswith("现在的状态是 withdrawn")


def test_a_chain_that_was_written_anew_is_not_what_was_published(told: Any, sits: Any, operator: Any) -> None:
    last = told.events.order_by("-sequence").first()
    behind_our_back("DELETE FROM refunds_refundevent WHERE id = %s", last.pk)
    said = [finding.said for finding in asked(sits(operator), told.refund_no).context["findings"]]
    assert any("公布的每日指纹不符" in line for line in said), said


@pytest.mark.parametrize(
    ("line", "said", "sequences"),
    [
        ("refund R1: event 3 (approve, 2026-01-01 10:00) is not the next one: event 2 is missing",
         "缺少第 2 条，其后是第 3 条", {2, 3}),
        ("order DX: event 3 (pay, …) does not follow event 2: one of them was changed",
         "第 2 条与第 3 条接不上，其中一条被改过", {2, 3}),
        ("code c: event 4 (reveal, …) was changed after it was written", "第 4 条写入后被改过", {4}),
        ("refund R1: has no record at all", "整条记录都不在了", set()),
        ("root of 2026-01-02: its signature is not by key k1", "2026-01-02 的每日指纹不是由公钥 k1 签的", set()),
        ("something that nobody foresaw", "something that nobody foresaw", set()),
    ],
)  # fmt: skip
def test_what_a_check_says_reads_in_chinese(line: str, said: str, sequences: set[int]) -> None:
    assert chains.in_words(line) == chains.Finding(said, frozenset(sequences))


def test_who_may_not_see_the_goods_does_not_see_their_chain(told: Any, sits: Any, finance: Any, reviewer: Any) -> None:
    code = told.order.lines.get().delivery.code
    assert asked(sits(reviewer), code.pk).context["known_as"] == "卡密"
    assert asked(sits(finance), code.pk).context["known_as"] == ""
    for number in ("R000", "", "' OR 1=1", "0" * 64, told.buyer.username):
        assert asked(sits(finance), number).context["known_as"] == ""


def test_it_only_reads(told: Any, sits: Any, operator: Any) -> None:
    seat = sits(operator)
    assert seat.client.post(PAGE, {"q": told.refund_no}).status_code == 405
    with CaptureQueriesContext(connection) as queries:
        asked(seat, told.refund_no)
    wrote = [query["sql"] for query in queries if query["sql"].split()[0] in {"INSERT", "UPDATE", "DELETE"}]
    assert not wrote
    assert RefundEvent.objects.filter(refund=told).count() == len(asked(seat, told.refund_no).context["rows"])
