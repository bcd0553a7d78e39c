"""The queue and the review page: what lies with me, the most urgent first, all in a fixed number of queries."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

import clock
from accounts.desk import tables
from accounts.models import User
from refunds import lifecycle, worklist
from tests.desk.conftest import text

pytestmark = pytest.mark.django_db

QUEUE = "/admin/refunds/refund/"


def shown(seat, **query) -> list[str]:
    """Numbers of the listed cases, in their order."""
    answer = seat.get(QUEUE, query_params=query)
    assert answer.status_code == 200
    return [refund.refund_no for refund in answer.context["cl"].result_list]


def test_each_role_starts_with_what_lies_with_it(sits, staff, reviewed, approved, released, ends_as):
    waiting, to_release = reviewed(), approved()
    returned, done = ends_as(released(), "CLOSED"), ends_as(released(), "SUCCESS")
    escalated = reviewed()
    lifecycle.escalate([escalated], at=clock.now())
    no = {name: case.refund_no for name, case in locals().items() if hasattr(case, "refund_no")}
    seats = {role: sits(person) for role, person in staff.items()}
    assert set(shown(seats["reviewer"])) == {no["waiting"], no["escalated"]}
    assert set(shown(seats["senior"])) == {no["waiting"], no["escalated"]}
    assert set(shown(seats["finance"])) == {no["to_release"], no["returned"]}
    assert set(shown(seats["operator"])) == {no["waiting"], no["escalated"], no["to_release"], no["returned"]}
    assert shown(seats["finance"], queue="release") == [no["to_release"]]
    assert shown(seats["reviewer"], queue="returned") == [no["returned"]]
    assert shown(seats["senior"], queue="escalated") == [no["escalated"]]
    assert set(shown(seats["reviewer"], queue="all")) == set(no.values())
    assert shown(seats["reviewer"], q=done.refund_no.lower()) == [no["done"]]  # a search looks everywhere
    assert shown(seats["finance"], q=done.order.order_no) == [no["done"]]
    assert shown(seats["finance"], q=done.disbursements.get().attempt.request_no) == [no["done"]]
    assert shown(seats["finance"], q="R0000") == []


def test_the_most_urgent_comes_first_and_late_ones_say_so(sits, reviewer, reviewed):
    first = reviewed()
    clock.advance(timedelta(hours=30))
    second = reviewed()
    clock.advance(timedelta(hours=20))
    seat = sits(reviewer)
    assert shown(seat) == [first.refund_no, second.refund_no]
    page = text(seat.get(QUEUE))
    assert page.count("超时 2 小时") == 1
    assert "剩 27 小时" in page or "剩 28 小时" in page


def test_queries_do_not_grow_with_rows(sits, staff, reviewed, approved, released, ends_as, buy, reveal, apply):
    """X: no list, and no page of the desk, asks more when there is more to show."""

    def live(quantity: int) -> None:
        order = buy(price_fen=8800, quantity=quantity, stock=quantity)
        for _ in range(quantity):
            reveal(order)
        refund = apply(order)
        lifecycle.request_evidence([refund], by=staff["reviewer"], at=clock.now(), note="请补充")
        lifecycle.provide_evidence(refund, by=refund.buyer, at=clock.now(), note="好")
        approved()
        ends_as(released(), "CLOSED")
        ends_as(released(), "SUCCESS")

    def counts() -> dict[str, int]:
        seats = [sits(staff["operator"]), sits(staff["finance"])]
        found = {}
        for seat in seats:
            for model, table in admin.site._registry.items():
                name = f"admin:{table.opts.app_label}_{table.opts.model_name}"
                path = reverse(f"{name}_changelist")
                for query in ["", "?queue=all"] if "refunds/refund/" in path else [""]:
                    found[f"{seat.user} {path}{query}"] = queries(seat, path + query)
                row = model._default_manager.order_by("-pk").first()
                if row and "content" not in name:
                    found[f"{seat.user} {name}"] = queries(seat, reverse(f"{name}_change", args=[row.pk]))
            found[f"{seat.user} start"] = queries(seat, "/admin/")
        return found

    live(1)
    text(sits(staff["operator"]).get("/admin/"))  # content types and the like are cached from now on
    counts()
    few = counts()
    for _ in range(2):
        live(4)
    many = counts()
    assert {path: (few[path], many[path]) for path in few if many[path] > few[path]} == {}
    assert few["operator /admin/refunds/refund/"] <= 12
    # Three of them for what will be late, and the figures of the hour; five for batches, differences and the switch.
    assert few["operator start"] <= 22


def queries(seat, path: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert seat.get(path).status_code in {200, 403}, path
    return len(captured)


def test_a_long_table_is_counted_only_so_far(sits, operator, reviewed, monkeypatch):
    for _ in range(3):
        reviewed()
    monkeypatch.setattr(tables, "MOST_COUNTED", 2)
    with CaptureQueriesContext(connection) as captured:
        page = text(sits(operator).get("/admin/refunds/refundevent/"))
    assert "超过 2 条" in page
    counting = [query["sql"] for query in captured if "COUNT(" in query["sql"] and "refundevent" in query["sql"]]
    assert counting
    assert all("LIMIT 3" in sql for sql in counting)


def test_what_waits_is_counted_only_so_far(sits, operator, reviewed, monkeypatch):
    """The sidebar, the tabs and the start page say 2+ of three, and nobody counted the third."""
    for _ in range(3):
        reviewed()
    monkeypatch.setattr(worklist, "MOST_COUNTED", 3)
    seat = sits(operator)
    with CaptureQueriesContext(connection) as captured:
        page = text(seat.get(f"{QUEUE}?queue=review"))
    (counting,) = [query["sql"] for query in captured if query["sql"].startswith("SELECT (SELECT COUNT(*)")]
    assert counting.count("LIMIT 3") == counting.count("COUNT(*)") == 2 * len(worklist.COUNTED)
    assert 'class="desk-count">2+<' in page
    assert page.count("2+") > 1, "and the sidebar"
    assert "2+" in text(seat.get("/admin/"))
    assert worklist.backlog(at=clock.now()).of("review").count == 3


def test_the_review_page_shows_claim_and_facts(sits, reviewer, buy, reveal, apply, stranger, client, tmp_path):
    """S1-27: who looked at the code, when, from where and with what."""
    from PIL import Image

    import images

    picture = tmp_path / "error.png"
    Image.linear_gradient("L").resize((300, 200)).save(picture)
    order = buy(price_fen=8800)
    reveal(order)
    refund = apply(order, contact="wx-12345", images=[images.repaint(picture.read_bytes())])
    seat = sits(reviewer)
    page = text(seat.get(reverse("admin:refunds_refund_change", args=[refund.pk])))
    for fact in [
        "11月20日兑换，提示卡密已使用", "wx-12345", "203.0.113.7", "Mozilla/5.0 (iPhone) MicroMessenger",
        "查看记录 1 次",
        order.order_no, refund.payment.payment_no, refund.payment.channel_transaction_id, "¥88.00", "标准 v1",
        "已查看卡密或已收货，需人工核对是否使用", "订单已付款", "转人工审核",
    ]:  # fmt: skip
        assert fact in page, fact
    assert 'name="_save"' not in page
    image = page.partition('href="/evidence/')[2].partition('"')[0]
    assert image.startswith(f"{refund.evidence.get().pk}/?signed=")
    image = f"/evidence/{image}"
    answer = seat.get(image)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, refund.evidence.get().content_type)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    with refund.evidence.get().image.open() as stored:
        assert b"".join(answer.streaming_content) == stored.read()
    assert sits(stranger).get(image).status_code == 404
    assert client.get(image).status_code == 302  # to log in


def test_the_start_page_counts_what_waits_and_what_is_late(
    sits, operator, reviewer, reviewed, approved, released, ends_as
):
    reviewed()
    approved()
    clock.advance(timedelta(hours=49))
    answer = sits(operator).get("/admin/")
    tiles = {tile.title: (tile.count, tile.late) for _, _, row in answer.context["tile_rows"] for tile in row}
    assert (tiles["待审核"], tiles["待放款"]) == ((1, 1), (1, 1))
    assert tiles["退款异常"] == (0, 0)
    assert tiles["待人工"] == (0, 0)
    assert [title for title, _, _ in sits(reviewer).get("/admin/").context["tile_rows"]] == [
        "退款单",
        "直充单",
        "自动退款",
        "通知",
    ]


def test_what_a_rule_looked_at_reads_in_local_time_and_yuan(sits, reviewer, reviewed):
    case = reviewed()
    kept = " ".join(each["input"] for each in case.pre_check.results)
    assert "delivered_at=20" in kept, "the stored words are for machines"
    assert "_fen=" in kept
    shown_input = text(sits(reviewer).get(reverse("admin:refunds_refund_change", args=[case.pk]))).split('id="checks"')[
        1
    ]
    delivered_at = timezone.localtime(case.order.delivered_at)
    assert f"delivered_at={delivered_at:%Y-%m-%d %H:%M:%S}" in shown_input
    assert "refundable=¥" in shown_input
    assert "+00:00" not in shown_input
    assert "_fen=" not in shown_input


def test_a_guest_is_called_one(sits, reviewer, reviewed):
    """The name of a guest's account is forty characters that say nothing, and push the deadline off the screen."""
    case = reviewed()
    User.objects.filter(pk=case.buyer_id).update(is_guest=True, username="guest-68587e28da834febb7e14c7ab12a5608")
    seat = sits(reviewer)
    for page in (QUEUE, reverse("admin:refunds_refund_change", args=[case.pk])):
        said = text(seat.get(page))
        assert "访客" in said
        assert "guest-6858" not in said
