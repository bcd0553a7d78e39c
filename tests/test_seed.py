"""The demo's data: made by living through it, agreed with the simulator's books to the fen."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

import clock
from cardshop import invariants, seeding
from cardshop.seeding import goods, people
from orders import announcements
from orders.models import Announcement, Cancellation, Cause, CouponUse, Order, OrderMessage, Review, ServiceJob
from payments.models import Transfer
from reconciliation.models import Discrepancy, DiscrepancyKind, Statement
from refunds.models import Objection, PayoutBatch, PayoutLine, Refund, Status
from shops.models import GuaranteeTerms, Shop
from support.models import ShopComplaint, Ticket
from tests.cast import person

pytestmark = pytest.mark.django_db


def test_the_seed_refuses_to_run_outside_the_demo():
    with pytest.raises(seeding.SeedRefused, match="DEMO=1"):
        seeding.seed(at=clock.now())


@pytest.mark.parametrize(
    ("at", "day"),
    [("2026-11-21T12:00", 22), ("2026-11-22T18:00", 29), ("2026-11-22T01:00", 29), ("2026-11-23T00:10", 29)],
)
def test_the_banner_names_its_day_and_goes_when_it_is_over(db, at, day):
    moment = timezone.make_aware(datetime.fromisoformat(at))
    goods.announce(person("admin", "operator"), moment)
    banner = Announcement.objects.get()
    assert f"11月{day}日（周日）02:00–04:00（北京时间）" in banner.text
    assert f"Sunday, {day} Nov, 02:00–04:00 (Beijing time)" in banner.text_en
    assert timezone.localtime(banner.ends_at).replace(tzinfo=None) == datetime(2026, 11, day, 4)
    assert banner.path == ""  # it has said all there is: no link to a page that says nothing of it
    assert list(announcements.current(moment)) == [banner]


@pytest.fixture
def seeded(settings, simulator) -> str:
    """The demo, seeded; what it says of itself."""
    settings.DEMO = True
    return seeding.seed(at=clock.now())


def test_the_seed_shows_what_can_last_and_its_books_agree(seeded, simulator):
    """One seeding for all of it: it is the dearest thing here."""
    _refunds_in_every_state_that_can_last(simulator)
    _a_badge_that_is_earned_and_one_that_is_not()
    _orders_that_were_canceled_each_with_its_cause()
    _talk_before_a_refund()
    _work_with_its_proof()
    _what_buyers_say()
    _questions_and_complaints()
    _batches_of_payouts()
    _what_finance_releases_is_not_late_yet()
    _differences_of_the_bills()
    _withdrawals()
    _a_guest_finds_the_order(seeded)
    assert CouponUse.objects.get().order.discount_fen == 500
    assert Announcement.objects.get().ends_at > clock.now()
    assert invariants.broken() == []
    assert seeding.seed(at=clock.now()).startswith("演示数据已存在")


def _refunds_in_every_state_that_can_last(simulator: Any) -> None:
    lasting = set(Status) - {Status.SUBMITTED}  # that one lasts seconds: the machine moves on
    assert set(Refund.objects.values_list("status", flat=True)) == lasting
    theirs = {row["out_refund_no"]: row for row in simulator.ledger()["refunds"]}
    waits = Refund.objects.get(disbursements__attempt__status="waiting_funds")  # until somebody tops the account up
    for refund in Refund.objects.filter(disbursements__isnull=False).exclude(pk=waits.pk):
        attempt = refund.disbursements.get().attempt
        assert theirs[attempt.request_no]["amount_fen"] == attempt.amount_fen == refund.amount_fen
        assert (theirs[attempt.request_no]["status"] == "SUCCESS") == (attempt.status == "succeeded")


def _a_badge_that_is_earned_and_one_that_is_not() -> None:
    assert GuaranteeTerms.objects.count() == 1
    assert [shop.guarantee_since is not None for shop in Shop.objects.order_by("pk")] == [False, True]


def _orders_that_were_canceled_each_with_its_cause() -> None:
    penalties = {row.cause: row.penalty_fen for row in Cancellation.objects.order_by("pk")}
    assert set(penalties) == {Cause.OUT_OF_STOCK, Cause.BUYER, Cause.LATE}
    assert penalties[Cause.OUT_OF_STOCK] > 0
    assert penalties[Cause.BUYER] == 0
    given_back = Refund.objects.exclude(cancellation=None).values_list("status", flat=True)
    assert set(given_back) == {Status.ARRIVED}
    assert Order.objects.filter(status="paid", overdue_since__isnull=False).count() == 1  # late, and still waited for


def _talk_before_a_refund() -> None:
    talk = OrderMessage.objects.filter(order__refunds__isnull=False, order__refunds__cancellation=None)
    assert any("••••" in message.text for message in talk)
    assert any({"link", "contact"} <= set(message.warnings) for message in talk)
    assert {message.side for message in talk} == {"buyer", "shop", "platform"}


def _work_with_its_proof() -> None:
    jobs = {job.status: job for job in ServiceJob.objects.all()}
    assert {"working", "confirmed"} <= set(jobs)
    assert all(jobs[status].reports.exclude(image="").exists() for status in ("working", "confirmed"))


def _what_buyers_say() -> None:
    assert {review.stars for review in Review.objects.all()} >= {2, 3, 4, 5}
    assert {review.about_refund for review in Review.objects.all()} == {True, False}
    assert Review.objects.exclude(reply="").exists()


def _questions_and_complaints() -> None:
    assert set(Ticket.objects.values_list("status", flat=True)) == {"answered", "waiting"}
    assert set(ShopComplaint.objects.values_list("status", flat=True)) == {"upheld", "investigating", "open"}
    assert Objection.objects.get().verdict == ""  # a senior has yet to answer


def _batches_of_payouts() -> None:
    """One paid, one called off, and one that waits for the other cashier."""
    found = list(PayoutBatch.objects.order_by("pk").values_list("status", "made_by__username", "checked_by__username"))
    assert found == [
        ("done", "finance", "finance2"), ("called_off", "finance", None), ("proposed", "finance", None),
    ]  # fmt: skip
    assert set(PayoutLine.objects.values_list("status", flat=True)) == {"sent", "failed", "dropped", "waiting"}


def _what_finance_releases_is_not_late_yet() -> None:
    """Whenever the demo is started, at night too."""
    waits = Refund.objects.filter(status__in=[Status.APPROVED, Status.REDIRECT_SIGNED])
    assert sorted(waits.values_list("status", flat=True)) == ["approved", "approved", "redirect_signed"]
    assert not waits.filter(promised_by__lt=clock.now() + timedelta(hours=4)).exists()


def _differences_of_the_bills() -> None:
    """Every kind, each of them planted; nobody has explained any (N3)."""
    rows = list(Discrepancy.objects.values_list("kind", "status", "payment_no", "detail"))
    assert {kind for kind, *_ in rows} == set(DiscrepancyKind.values), rows
    assert {status for _, status, *_ in rows} == {"open"}
    unmatched = Statement.objects.exclude(status="matched").values_list("account__code", "kind", "status")
    assert list(unmatched) == [("alipay", "funds", "not_there_yet")]


def _withdrawals() -> None:
    """A shop has money that is settled; of two that it asked for, one waits for approval, one for the bank."""
    rows = Transfer.objects.order_by("pk").values_list("status", "approved_by__username")
    assert list(rows) == [("approved", "finance2"), ("requested", None)]


def _a_guest_finds_the_order(said: str) -> None:
    order = Order.objects.filter(buyer__is_guest=True).latest("pk")
    assert order.order_no in said
    assert people.QUERY_PASSWORD in said
    asked = {"order_no": order.order_no, "query_password": people.QUERY_PASSWORD}
    assert Client().post("/orders/find/", asked).headers["Location"] == f"/orders/{order.order_no}/"
