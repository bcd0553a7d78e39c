"""Services by people: who begins, reports and hands over, and what both sides can show afterwards (S2-16)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction

import clock
import images
from notices.models import Notice
from orders import cancellation, delivery, service_jobs
from orders.models import Cause, Delivery, Order, OrderEvent, OrderStatus, ServiceJob, ServiceReport, ServiceStatus
from orders.service_jobs import STEPS, CannotServe
from tests.cast import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(buy) -> ServiceJob:
    return ServiceJob.objects.get(line__order=buy(stock=0))


@pytest.fixture
def picture(tmp_path) -> images.Repainted:
    from PIL import Image

    path = tmp_path / "proof.png"
    Image.linear_gradient("L").resize((60, 40)).save(path)
    return images.repaint(path.read_bytes())


def now(job: ServiceJob) -> tuple[str, str]:
    job.refresh_from_db()
    return job.status, Order.objects.get(lines__service=job).status


def order_of(job: ServiceJob) -> Order:
    return Order.objects.get(lines__service=job)


# --- the plain path


def test_a_service_from_the_beginning_to_the_buyers_word(job, merchant, picture):
    at = clock.now()
    assert now(job) == ("waiting", "paid")
    service_jobs.start(job, by=merchant, at=at)
    service_jobs.report(job, by=merchant, by_shop=True, at=at, text="已到钻石", image=picture, percent=60)
    assert now(job) == ("working", "paid")
    assert job.percent_done == 60
    service_jobs.hand_over(job, by=merchant, at=at, text="已到王者，截图见附件")
    assert now(job) == ("handed_over", "delivered")
    assert (job.percent_done, job.handed_over_at) == (100, at)
    buyer = order_of(job).buyer
    service_jobs.report(job, by=buyer, by_shop=False, at=at, text="已登录查看")
    delivery.confirm(order_of(job), by=buyer, at=at)
    assert now(job) == ("confirmed", "completed")
    assert [report.by_shop for report in service_jobs.latest_reports([job], 9)[job.pk]] == [True, True, False]
    assert Delivery.objects.get(line__service=job).code is None
    steps = list(OrderEvent.objects.filter(order=order_of(job)).order_by("sequence").values_list("step", flat=True))
    assert steps[2:] == ["start_service", "hand_over_service", "deliver", "complete"]


def test_the_other_side_hears_of_it(job, merchant):
    service_jobs.start(job, by=merchant, at=clock.now())
    service_jobs.report(job, by=order_of(job).buyer, by_shop=False, at=clock.now(), text="账号已给")
    kinds = Notice.objects.filter(kind="service_report").values_list("recipient", flat=True)
    assert sorted(kinds) == sorted([order_of(job).buyer_id, merchant.pk])


def test_of_each_job_its_newest_reports_are_shown_to_both_sides(client, buy, merchant):
    """However much is said of the other unit; and none of them is left out that came last."""
    order, at = buy(stock=0, quantity=2), clock.now()
    quiet, busy = ServiceJob.objects.filter(line__order=order).order_by("line__position")
    for each in (quiet, busy):
        service_jobs.start(each, by=merchant, at=at)
    say(quiet, merchant, at, ["已上号"])
    say(busy, merchant, at + timedelta(minutes=1), [f"第 {number:02} 局" for number in range(1, 51)])
    say(busy, order.buyer, at + timedelta(minutes=2), [f"看到 {number:02}" for number in range(1, 11)], by_shop=False)
    latest = service_jobs.latest_reports([quiet, busy], 3)
    assert [row.text for row in latest[quiet.pk]] == ["已上号"]
    assert [row.text for row in latest[busy.pk]] == ["看到 08", "看到 09", "看到 10"]
    assert service_jobs.latest_reports([], 3) == {}
    for user, page in ((order.buyer, f"/orders/{order.order_no}/"), (merchant, f"/shop/orders/{order.order_no}/")):
        client.force_login(user)
        text = client.get(page).content.decode()
        assert "已上号" in text, page
        assert "看到 10" in text, page
        assert "第 01 局" not in text, page


def say(job, author, at, texts, by_shop=True):
    ServiceReport.objects.bulk_create(
        ServiceReport(job=job, author=author, by_shop=by_shop, text=text, at=at + timedelta(seconds=number))
        for number, text in enumerate(texts)
    )


# --- what the table refuses

ACTS = {
    "start": lambda job, by: service_jobs.start(job, by=by, at=clock.now()),
    "hand_over": lambda job, by: service_jobs.hand_over(job, by=by, at=clock.now(), text="好了"),
}
REACHED = {
    ServiceStatus.WAITING: [],
    ServiceStatus.WORKING: ["start"],
    ServiceStatus.HANDED_OVER: ["start", "hand_over"],
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("status", REACHED)
def test_every_step_that_the_table_does_not_list_is_refused(status, act, job, merchant):
    """PM4."""
    for step in REACHED[status]:
        ACTS[step](job, merchant)
    if STEPS[act].source == status:
        ACTS[act](job, merchant)
        assert now(job)[0] == STEPS[act].target
    else:
        with pytest.raises(CannotServe):
            ACTS[act](job, merchant)
        assert now(job)[0] == status


def test_begun_work_is_not_canceled_and_stopped_work_is_not_begun(buy, merchant):
    begun, stopped = (ServiceJob.objects.get(line__order=buy(stock=0)) for _ in range(2))
    service_jobs.start(begun, by=merchant, at=clock.now())
    with pytest.raises(cancellation.CannotCancel):
        cancellation.cancel(order_of(begun), cause=Cause.BUYER, by=order_of(begun).buyer, at=clock.now())
    cancellation.cancel(order_of(stopped), cause=Cause.BUYER, by=order_of(stopped).buyer, at=clock.now())
    assert now(stopped) == (ServiceStatus.STOPPED, OrderStatus.CANCELED)
    with pytest.raises(CannotServe):
        service_jobs.start(stopped, by=merchant, at=clock.now())


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("who", ["buyer", "stranger", "other shop", "reviewer"])
def test_only_the_shops_people_work(who, act, job, merchant, stranger, reviewer):
    from shops.models import Shop

    others = person("others", "merchant")
    Shop.objects.create(name="别家", created_at=clock.now()).members.add(others)
    people = {"buyer": order_of(job).buyer, "stranger": stranger, "other shop": others, "reviewer": reviewer}
    if act == "hand_over":
        service_jobs.start(job, by=merchant, at=clock.now())
    before = now(job)
    with pytest.raises(CannotServe) as refused:
        ACTS[act](job, people[who])
    assert refused.value.code == "not_yours"
    assert now(job) == before


def test_each_side_reports_for_itself(job, merchant, stranger):
    service_jobs.start(job, by=merchant, at=clock.now())
    buyer = order_of(job).buyer
    for by, by_shop in ((buyer, True), (merchant, False), (stranger, True), (stranger, False)):
        with pytest.raises(CannotServe):
            service_jobs.report(job, by=by, by_shop=by_shop, at=clock.now(), text="进度")
    assert not ServiceReport.objects.exists()


@pytest.mark.parametrize(
    ("said", "code"),
    [({}, "empty"), ({"text": " \n "}, "empty"), ({"text": "长" * 501}, "too_long"), ({"percent": 101}, "percent"),
     ({"percent": 29}, "percent"), ({"percent": -1}, "percent")],
)  # fmt: skip
def test_a_report_says_something_that_can_be(said, code, job, merchant):
    service_jobs.start(job, by=merchant, at=clock.now())
    service_jobs.report(job, by=merchant, by_shop=True, at=clock.now(), text="三成", percent=30)
    words = {"text": "进度"} | said if "percent" in said else said
    with pytest.raises(CannotServe) as refused, transaction.atomic():
        service_jobs.report(job, by=merchant, by_shop=True, at=clock.now(), **words)
    assert refused.value.code == code
    job.refresh_from_db()
    assert (job.percent_done, ServiceReport.objects.count()) == (30, 1)


def test_progress_is_the_shops_to_say(job, merchant):
    service_jobs.start(job, by=merchant, at=clock.now())
    with pytest.raises(CannotServe):
        service_jobs.report(job, by=order_of(job).buyer, by_shop=False, at=clock.now(), text="没做", percent=0)


def test_there_is_an_end_to_reporting(job, merchant, monkeypatch):
    monkeypatch.setattr(service_jobs, "MOST_REPORTS", 2)
    service_jobs.start(job, by=merchant, at=clock.now())
    for _ in range(2):
        service_jobs.report(job, by=merchant, by_shop=True, at=clock.now(), text="进度")
    with pytest.raises(CannotServe):
        service_jobs.report(job, by=merchant, by_shop=True, at=clock.now(), text="进度")


def test_nothing_is_reported_before_the_work_begins(job, merchant):
    with pytest.raises(CannotServe):
        service_jobs.report(job, by=merchant, by_shop=True, at=clock.now(), text="快了")


# --- what was shown


def test_a_report_never_changes(job, merchant):
    service_jobs.start(job, by=merchant, at=clock.now())
    report = service_jobs.report(job, by=merchant, by_shop=True, at=clock.now(), text="三成")
    for change in (lambda: ServiceReport.objects.update(text="九成"), report.delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_its_image_is_for_the_buyer_the_shop_and_staff(job, merchant, stranger, reviewer, picture):
    """X7."""
    service_jobs.start(job, by=merchant, at=clock.now())
    report = service_jobs.report(job, by=merchant, by_shop=True, at=clock.now(), image=picture)
    for user in (order_of(job).buyer, merchant, reviewer):
        seen = service_jobs.image_for(report.pk, user)
        assert seen is not None
        with seen.image.open() as kept:
            assert kept.read() == picture.data
    assert service_jobs.image_for(report.pk, stranger) is None


def test_a_report_without_an_image_has_none_to_show(job, merchant):
    service_jobs.start(job, by=merchant, at=clock.now())
    report = service_jobs.report(job, by=merchant, by_shop=True, at=clock.now(), text="三成")
    assert service_jobs.image_for(report.pk, merchant) is None


def test_what_its_buyer_never_confirms_is_completed_by_days(job, merchant):
    from orders import watch

    service_jobs.start(job, by=merchant, at=clock.now())
    service_jobs.hand_over(job, by=merchant, at=clock.now(), text="好了")
    order = order_of(job)
    watch.sweep(at=order.delivered_at + timedelta(days=order.policy.complete_after_days))
    assert now(job) == ("handed_over", "completed")
