"""投诉商家: apart from the appeal, with its own clock, investigated by nobody of the shop (S0-34, S2-17)."""

from __future__ import annotations

import re
from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection

import clock
from notices.models import Notice
from refunds import clocking, clocks, lifecycle
from refunds import figures as shop_figures
from shops import figures
from shops.models import Shop
from support import complaints
from support.complaints import CannotComplain
from support.models import ComplaintStatus, ShopComplaint, Tier
from tests.cases import passes
from tests.cast import person
from tests.support.conftest import text

pytestmark = pytest.mark.django_db


def code_of(refusal):
    return refusal.value.code


def test_a_complaint_is_looked_into_answered_once_and_upheld(buy, complain, buyer, merchant, senior, operator):
    order, at = buy(), clock.now()
    complaint = complain(order, at=at)
    assert (complaint.status, complaint.shop) == (ComplaintStatus.OPEN, order.shop)
    assert complaint.promised_by == at + timedelta(days=1)
    assert complaint.warnings == ["contact"]
    complaints.investigate(complaint, by=senior, at=at)
    assert complaint.promised_by == at + timedelta(days=7)
    complaints.answer(complaint, "员工个人行为，已处分", by=merchant, at=at)
    with pytest.raises(CannotComplain) as refusal:
        complaints.answer(complaint, "再补充", by=merchant, at=at)
    assert code_of(refusal) == "answered"
    complaints.uphold(complaint, reason="聊天记录可证", by=senior, at=at)
    assert (complaint.status, complaint.next_due_at) == (ComplaintStatus.UPHELD, None)
    assert figures.upheld_complaints(order.shop_id, at=at) == 1
    assert figures.upheld_complaints(order.shop_id, at=at + timedelta(days=90)) == 0
    event = order.shop.events.get(step="complaint_upheld")
    assert (event.actor, event.reason, event.from_status, event.to_status) == (
        senior, complaint.complaint_no, "open", "open",
    )  # fmt: skip
    told = {(notice.recipient.username, notice.kind) for notice in Notice.objects.exclude(kind="order_delivered")}
    assert {
        ("buyer", "complaint_begun"), ("buyer", "complaint_upheld"), ("merchant", "shop_complaint_begun"),
        ("merchant", "shop_complaint_upheld"), ("operator", "complaint_for_operators"),
        ("senior", "complaint_answered"),
    } <= told  # fmt: skip
    order.shop.refresh_from_db()
    assert order.shop.status == "open", "suspending it is the operator's act"


def test_one_at_a_time_per_order_and_another_after_the_end(buy, complain, senior):
    order = buy()
    first = complain(order, investigator=senior)
    with pytest.raises(CannotComplain) as refusal:
        complain(order)
    assert code_of(refusal) == "running"
    complaints.dismiss(first, reason="没有证据", by=senior, at=clock.now())
    assert complain(order).status == ComplaintStatus.OPEN


def test_a_cause_is_needed_and_an_order_of_ones_own(buy, complain, stranger):
    order = buy()
    for words, code in (
        ({"causes": []}, "no_cause"),
        ({"causes": ["mood"]}, "no_cause"),
        ({"by": stranger}, "not_yours"),
    ):
        with pytest.raises(CannotComplain) as refusal:
            complain(order, **words)
        assert code_of(refusal) == code
    assert not ShopComplaint.objects.exists()


def test_nobody_of_the_shop_nor_the_buyer_investigates(buy, complain, reviewer, senior, finance, buyer, merchant):
    """I10: read inside the transaction that needs it, whatever the account's job."""
    order = buy()
    complaint = complain(order)
    order.shop.members.add(senior)
    for nobody in (reviewer, senior, finance, buyer, merchant):
        with pytest.raises(CannotComplain) as refusal:
            complaints.investigate(complaint, by=nobody, at=clock.now())
        assert code_of(refusal) == "not_yours"


def test_a_senior_who_bought_it_does_not_look_into_it(buy, complain):
    own = person("staff-buyer", "senior")
    complaint = complain(buy(by=own), by=own)
    with pytest.raises(CannotComplain) as refusal:
        complaints.investigate(complaint, by=own, at=clock.now())
    assert code_of(refusal) == "not_yours"


def test_who_began_decides_or_an_operator(buy, complain, senior, operator):
    complaint, other = complain(buy(), investigator=senior), person("another", "senior")
    for act in (complaints.uphold, complaints.dismiss):
        with pytest.raises(CannotComplain) as refusal:
            act(complaint, reason="我看行", by=other, at=clock.now())
        assert code_of(refusal) == "not_yours"
    complaints.dismiss(complaint, reason="证据不足", by=operator, at=clock.now())
    for act in (complaints.uphold, complaints.dismiss):
        with pytest.raises(CannotComplain) as refusal:
            act(complaint, reason="再来", by=operator, at=clock.now())
        assert code_of(refusal) == "wrong_status"


def test_a_refund_waits_longer_only_for_a_reason_on_record(buy, complain, reviewed, senior):
    """S2-17."""
    at = clock.now()
    without = complain(buy(), investigator=senior)
    with pytest.raises(CannotComplain) as refusal:
        complaints.extend_review(without, hours=24, reason="查", by=senior, at=at)
    assert code_of(refusal) == "no_case"
    refund = reviewed()
    complaint = complain(refund.order, investigator=senior)
    for hours in (0, 721, -1):
        with pytest.raises(CannotComplain):
            complaints.extend_review(complaint, hours=hours, reason="查流水", by=senior, at=at)
    complaints.extend_review(complaint, hours=48, reason="向发卡方核实", by=senior, at=at)
    assert (complaint.refund, complaint.extends_review_hours) == (refund, 48)
    with pytest.raises(CannotComplain) as refusal:
        complaints.extend_review(complaint, hours=24, reason="再等", by=senior, at=at)
    assert code_of(refusal) == "extended"
    assert refund.events.filter(step="extend").count() == 1


def extended(complain, refund, senior, *, hours=48, at=None):
    """Its shop is looked into, and the case waits so much longer."""
    complaint = complain(refund.order, investigator=senior)
    complaints.extend_review(complaint, hours=hours, reason="向发卡方核实流水", by=senior, at=at or clock.now())
    refund.refresh_from_db()
    return complaint


def test_the_case_itself_has_that_much_longer_and_its_buyer_reads_why_and_until_when(complain, house):
    """S2-17: its clock and its promise move, by hours that count as its review's do; on record, and told."""
    refund = house.case()
    before = refund.review_due_at
    assert refund.promised_by == before
    complaint = extended(complain, refund, house.senior)
    assert refund.promised_by == refund.review_due_at == clocks.add(before, 48, working=True) > before
    assert (refund.status, refund.queue) == ("first_review", "reviewer")
    event = refund.events.latest("sequence")
    assert (event.step, event.role, event.actor) == ("extend", "system", None)
    assert event.note == f"{complaint.complaint_no} +48 h：向发卡方核实流水"
    told = house.buyer.notices.get(kind="refund_extend_until")
    assert told.params["by"] == f"{clocking.local(refund.promised_by):%m-%d %H:%M}"
    assert "向发卡方核实流水" in told.params["note"]
    passes(refund, seconds=(before - clock.now()).total_seconds() + 60)
    assert not refund.events.filter(step="escalate").exists(), "the old promise is none any more"
    passes(refund, seconds=(refund.promised_by - clock.now()).total_seconds() + 60)
    assert refund.events.filter(step="escalate").exists()


def test_a_clock_that_stands_has_it_left_afterwards(complain, house):
    refund = house.case("reviewer request_evidence", working_time=[])
    left, promised = refund.review_left, refund.promised_by
    extended(complain, refund, house.senior, hours=30)
    assert (refund.review_left, refund.promised_by) == (left + timedelta(hours=30), promised)
    assert house.buyer.notices.filter(kind="refund_extend").exists()
    at = clock.now()
    lifecycle.provide_evidence(refund, by=house.buyer, at=at, note="补好了")
    refund.refresh_from_db()
    assert refund.promised_by == at + left + timedelta(hours=30)


def test_the_shop_that_is_looked_into_has_no_longer_to_answer(complain, house):
    refund = house.with_shop(working_time=[])
    review, promised = refund.review_due_at, refund.promised_by
    extended(complain, refund, house.senior)
    assert (refund.review_due_at, refund.promised_by) == (review + timedelta(hours=48), promised)
    house.on(refund, "merchant contest")
    assert refund.promised_by == review + timedelta(hours=48)


def test_a_late_review_is_never_promised_for_what_is_over(complain, house):
    refund = house.case(working_time=[])
    at = refund.promised_by + timedelta(hours=5)
    extended(complain, refund, house.senior, hours=1, at=at)
    assert refund.promised_by == at + timedelta(hours=1)


def test_what_is_decided_waits_for_no_investigation(complain, house):
    refund = house.case("reviewer approve")
    promised = refund.promised_by
    with pytest.raises(CannotComplain) as refusal:
        extended(complain, refund, house.senior)
    assert code_of(refusal) == "no_case"
    assert type(refund).objects.get(pk=refund.pk).promised_by == promised


def test_what_is_late_is_told_to_seniors_then_operators_again_and_again(buy, complain, senior, operator):
    """S4-19."""
    complaint = complain(buy())
    for _ in range(3):
        assert complaints.sweep(at=complaint.next_due_at) == 1
        complaint.refresh_from_db()
    assert (complaint.tier, complaint.status) == (Tier.OPERATOR, ComplaintStatus.OPEN)
    told = Notice.objects.filter(kind="complaint_late")
    assert [told.filter(recipient=who).count() for who in (senior, operator)] == [1, 2]


# --- pages ------------------------------------------------------------------------------------------------------------


def test_a_buyer_complains_and_the_shop_sees_it_once_it_is_looked_into(buy, browse, buyer, merchant, senior, image):
    order, browser, keeper = buy(), browse(buyer), browse(merchant)
    answer = browser.post(f"/orders/{order.order_no}/complain/", {"causes": ["fraud"], "text": "收钱不发货"})
    complaint = ShopComplaint.objects.get()
    assert answer["Location"] == f"/support/complaints/{complaint.complaint_no}/"
    assert "收钱不发货" in text(browser.get(answer["Location"]))
    page = f"/shop/complaints/{complaint.complaint_no}/"
    assert keeper.get(page).status_code == 404
    assert complaint.complaint_no not in text(keeper.get("/shop/complaints/"))
    complaints.investigate(complaint, by=senior, at=clock.now())
    assert "收钱不发货" in text(keeper.get(page))
    keeper.post(f"{page}answer/", {"text": "已发货，见记录"})
    assert "已发货，见记录" in text(browser.get(answer["Location"]))
    assert "id_answer" not in text(keeper.get(page))


def test_what_was_upheld_stands_in_the_shops_figures_and_before_reviewers(
    complain, house, browse, senior, merchant, reviewer
):
    """S0-34: the shop reads it beside its other figures, reviewers beside the case and in the shop's profile."""
    refund = house.case()
    shop, pages = refund.order.shop, [f"/admin/refunds/refund/{refund.pk}/change/", "/admin/refunds/refund/shop/"]
    shop_figures.compute(at=clock.now())

    def shown():
        desk = text(browse(reviewer).get(pages[0])), text(browse(reviewer).get(f"{pages[1]}{shop.pk}/"))
        return [
            re.search(r"<dd>(\d+)</dd><dt>投诉成立", desk[0])[1], re.search(r"<dd>(\d+)</dd><dt>投诉成立", desk[1])[1],
            re.search(r"近 90 天投诉成立</dt><dd>(\d+)", text(browse(merchant).get("/shop/figures/")))[1],
        ]  # fmt: skip

    dismissed = complain(refund.order, investigator=senior)
    complaints.dismiss(dismissed, reason="没有证据", by=senior, at=clock.now())
    assert shown() == ["0", "0", "0"]
    complaints.uphold(complain(refund.order, investigator=senior), reason="聊天记录可证", by=senior, at=clock.now())
    assert shown() == ["1", "1", "1"]


def test_what_was_upheld_before_it_stood_in_the_record_is_counted_once(buy, complain, senior):
    """The migration, over a complaint of that time; run again it adds nothing."""
    complaint, at = complain(buy(), investigator=senior), clock.now()
    rows = ShopComplaint.objects.filter(pk=complaint.pk)
    rows.update(status=ComplaintStatus.UPHELD, reason="聊天记录可证", decided_at=at, next_due_at=None, promised_by=None)
    migration = import_module("support.migrations.0002_upheld_complaints_on_record")
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute(migration.FORWARD)
        assert figures.upheld_complaints(complaint.shop_id, at=at) == 1
    assert complaint.shop.events.get(step="complaint_upheld").reason == complaint.complaint_no


def test_others_complaints_are_not_there(buy, complain, senior, browse, stranger, image):
    """X7, X8; pictures too: the shop sees them from the investigation on."""
    complaint = complain(buy(), images=[image])
    rival = person("rival", "merchant")
    Shop.objects.create(name="另一家店", created_at=clock.now()).members.add(rival)
    picture = f"/support/pictures/{complaint.pictures.get().pk}/"
    for nobody in (stranger, rival):
        assert browse(nobody).get(f"/support/complaints/{complaint.complaint_no}/").status_code == 404
        assert browse(nobody).get(picture).status_code == 404
    keeper = person("keeper", "merchant")
    complaint.shop.members.add(keeper)
    assert browse(keeper).get(picture).status_code == 404
    complaints.investigate(complaint, by=senior, at=clock.now())
    assert browse(keeper).get(picture).status_code == 403, "theirs to see, at an address signed for them"
    assert browse(rival).get(f"/shop/complaints/{complaint.complaint_no}/").status_code == 404
    assert browse(rival).post(f"/shop/complaints/{complaint.complaint_no}/answer/", {"text": "x"}).status_code == 404
