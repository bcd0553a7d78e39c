"""自动通道 at the desk (conflict 6, P12, P7): switch and caps, and decisions of the machine that people judge."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

import clock
from refunds import audits, lanes
from refunds.audits import CannotCheck
from refunds.lanes import CannotSet
from refunds.models import AuditSample, Lane, LaneLimits, PreCheck, Status
from tests.desk.conftest import HTMX, text

pytestmark = pytest.mark.django_db
LIST = "/admin/refunds/lanelimits/"
CAPS = {"buyer_fen": "", "payer_fen": "300", "device_fen": "12.50", "shop_fen": "2000", "platform_fen": "50000"}


def act(seat, name, lane="one_click", **fields):
    path = reverse(f"admin:refunds_lanelimits_{name}") + f"?lane={lane}"
    return seat.client.post(path, {"_form_submitted": "True", **fields}, headers=HTMX)


def dialog(seat, name, lane="one_click"):
    return text(seat.client.get(reverse(f"admin:refunds_lanelimits_{name}") + f"?lane={lane}", headers=HTMX))


# --- the switch and the caps ------------------------------------------------------------------------------------------


def test_before_anything_was_set_the_page_shows_the_defaults_as_such(sits, staff):
    for person in staff.values():
        page = text(sits(person).get(LIST))
        assert page.count("默认设置") == 3
        for said in ("一键退款", "极速退款", "未发货自动退", "¥300.00", "¥50,000.00", "不限", "不会因此拒绝"):
            assert said in page
        assert ("暂停自动退款" in page) == (person.role == "operator")


def test_what_was_given_today_stands_beside_the_cap(sits, operator, buy, apply):
    for _ in range(2):
        assert apply(buy(price_fen=4900)).lane == Lane.ONE_CLICK
    page = text(sits(operator).get(LIST))
    assert "¥98.00" in page
    assert "全平台额度的 0%" in page
    lanes.set_limits(
        Lane.ONE_CLICK, by=operator, at=clock.now(), reason="收紧", audit_percent=2, buyer_fen=None, payer_fen=None,
        device_fen=None, shop_fen=None, platform_fen=19_600,
    )  # fmt: skip
    assert "全平台额度的 50%" in text(sits(operator).get(LIST))
    assert lanes.used_today(at=clock.now() + timedelta(hours=25)) == dict.fromkeys(Lane.automatic(), 0)


def test_an_operator_pauses_and_resumes_with_a_reason(sits, operator, buy, apply):
    """The switch off: everything to people, and nobody refused."""
    seat = sits(operator)
    assert "请填写" in text(act(seat, "pause", note=""))
    assert not LaneLimits.objects.exists()
    assert "已暂停自动退款" in seat.reads(act(seat, "pause", note="集中申请，核查中"))
    row = LaneLimits.objects.get()
    assert (row.is_on, row.set_by, row.reason, row.payer_fen) == (False, operator, "集中申请，核查中", 30_000)
    refund = apply(buy(price_fen=3000))
    assert (refund.status, refund.lane) == (Status.FIRST_REVIEW, Lane.STANDARD)
    told = {one["rule"]: one["sentence"] for one in PreCheck.objects.get(refund=refund).results}
    assert told["one_click_room"] == "自动退款暂停，由人工审核"
    assert apply(buy(stock=0)).lane == Lane.UNDELIVERED, "the other lanes are not touched"
    assert "这个通道已经暂停" in dialog(seat, "pause")
    assert "已恢复自动退款" in seat.reads(act(seat, "resume", note="查清"))
    assert apply(buy(price_fen=3000)).lane == Lane.ONE_CLICK
    assert [row.is_on for row in LaneLimits.objects.order_by("pk")] == [False, True]
    assert LogEntry.objects.filter(user=operator).count() == 2


def test_new_caps_are_a_row_more_and_leave_the_switch_alone(sits, operator):
    seat = sits(operator)
    act(seat, "pause", note="核查")
    assert 'value="300.00"' in dialog(seat, "set_limits")
    answer = act(seat, "set_limits", note="收紧设备额度", audit_percent="10", **CAPS)
    assert "新额度已生效" in seat.reads(answer)
    row = lanes.limits()[Lane.ONE_CLICK]
    assert (row.buyer_fen, row.payer_fen, row.device_fen, row.audit_percent) == (None, 30_000, 1250, 10)
    assert not row.is_on, "who sets caps does not switch a paused lane on"
    assert LaneLimits.objects.count() == 2
    page = text(seat.get(LIST))
    assert "收紧设备额度" in page
    assert "¥12.50" in page
    again = act(seat, "set_limits", note="再来一次", audit_percent="10", **CAPS)
    assert "没有改动" in seat.reads(again)
    assert LaneLimits.objects.count() == 2


@pytest.mark.parametrize("wrong", [{"shop_fen": "1.234"}, {"shop_fen": "-1"}, {"shop_fen": "0"}, {"shop_fen": "abc"},
                                   {"audit_percent": "101"}, {"audit_percent": "-1"}, {"note": ""}])  # fmt: skip
def test_what_is_no_cap_is_said_and_nothing_is_set(sits, operator, wrong):
    page = text(act(sits(operator), "set_limits", **({"note": "改", "audit_percent": "2"} | CAPS | wrong)))
    assert "errorlist" in page or "请" in page
    assert not LaneLimits.objects.exists()


@pytest.mark.parametrize("lane", ["standard", "", "x", "one_click\x00"])
def test_what_is_no_automatic_lane_is_not_set(sits, operator, lane):
    seat = sits(operator)
    assert "没有这个自动通道" in seat.reads(act(seat, "pause", lane=lane, note="核查"))
    assert not LaneLimits.objects.exists()


def test_nobody_else_sets_anything(sits, staff):
    for role in ("reviewer", "senior", "finance"):
        for name in ("pause", "resume", "set_limits"):
            assert act(sits(staff[role]), name, note="核查").status_code == 403
    assert not LaneLimits.objects.exists()


def test_a_reason_has_room_or_is_refused_whole(operator):
    for reason in ("", "  ", "长" * 201):
        with pytest.raises(CannotSet):
            lanes.switch(Lane.EXPRESS, is_on=False, by=operator, at=clock.now(), reason=reason)
    lanes.switch(Lane.EXPRESS, is_on=False, by=operator, at=clock.now(), reason="长" * 200)


# --- looked at afterwards ---------------------------------------------------------------------------------------------


@pytest.fixture
def sample(buy, apply) -> AuditSample:
    """A refund of the one-click lane that was drawn."""
    refund = apply(buy(price_fen=3000))
    return AuditSample.objects.get_or_create(
        refund=refund, defaults={"lane": refund.lane, "drawn_at": refund.decided_at}
    )[0]


def test_a_share_of_what_the_machine_decides_is_drawn(operator, buy, apply):
    everything = dict.fromkeys(("buyer_fen", "payer_fen", "device_fen", "shop_fen", "platform_fen"))
    lanes.set_limits(Lane.ONE_CLICK, by=operator, at=clock.now(), reason="全查", audit_percent=100, **everything)
    refund = apply(buy(price_fen=3000))
    assert refund.audit_sample.lane == Lane.ONE_CLICK
    lanes.set_limits(Lane.ONE_CLICK, by=operator, at=clock.now(), reason="不查", audit_percent=0, **everything)
    apply(buy(price_fen=3000))
    assert AuditSample.objects.count() == 1
    drawn = sum(lanes.is_drawn(f"R{number:08}", 5) for number in range(20_000))
    assert 0.04 < drawn / 20_000 < 0.06


def test_a_reviewer_judges_and_no_money_moves(sits, reviewer, operator, sample):
    seat, before = sits(reviewer), vars(sample.refund).copy()
    assert sample.refund.refund_no in text(seat.get("/admin/refunds/auditsample/?state=waiting"))
    assert "待抽查" in text(seat.get("/admin/"))
    page = text(seat.get(reverse("admin:refunds_auditsample_change", args=[sample.pk])))
    assert "记结论" in page
    assert "请写明错在哪里" in seat.reads(seat.does("judge", sample, verdict="wrong", note=""))
    assert "已记为" in seat.reads(seat.does("judge", sample, verdict="wrong", note="同一设备第 9 张"))
    sample.refresh_from_db()
    assert (sample.verdict, sample.note, sample.checked_by) == ("wrong", "同一设备第 9 张", reviewer)
    sample.refund.refresh_from_db()
    assert {name: getattr(sample.refund, name) for name in ("status", "lane", "amount_fen")} == {
        name: before[name] for name in ("status", "lane", "amount_fen")
    }
    assert "有误 1 件（100%）" in text(sits(operator).get(LIST))
    assert sample.refund.refund_no not in text(seat.get("/admin/refunds/auditsample/?state=waiting"))


def test_the_second_of_two_colleagues_reads_who_was_first(sits, reviewer, senior, sample):
    sits(reviewer).does("judge", sample, verdict="right", note="")
    seat = sits(senior)
    assert "reviewer已抽查：判断正确" in seat.reads(seat.does("judge", sample, verdict="wrong", note="不对"))
    with pytest.raises(CannotCheck):
        audits.check(sample, verdict="wrong", note="不对", by=senior, at=clock.now())
    sample.refresh_from_db()
    assert sample.verdict == "right"


def test_nobody_judges_what_is_their_own(sits, reviewer, senior, sample):
    """I10, P7: neither the buyer, nor whoever belongs to the shop, whatever their job."""
    sample.refund.order.shop.members.add(senior)
    sample.refund.buyer.role, sample.refund.buyer.is_staff = "reviewer", True
    sample.refund.buyer.save()
    for person in (senior, sample.refund.buyer):
        with pytest.raises(CannotCheck, match="其他同事"):
            audits.check(sample, verdict="right", note="", by=person, at=clock.now())
        seat = sits(person)
        assert "须由其他同事抽查" in seat.reads(seat.does("judge", sample, verdict="right", note=""))
    sample.refresh_from_db()
    assert sample.verdict == ""
    audits.check(sample, verdict="right", note="", by=reviewer, at=clock.now())


def test_finance_and_operators_look_and_do_not_judge(sits, finance, operator, sample):
    for person in (finance, operator):
        assert sits(person).does("judge", sample, verdict="right", note="").status_code == 403
        with pytest.raises(CannotCheck):
            audits.check(sample, verdict="right", note="", by=person, at=clock.now())


def test_figures_are_of_thirty_days(reviewer, sample):
    at = clock.now()
    assert audits.figures(at=at)[Lane.ONE_CLICK] == audits.Figures(0, 0, 1)
    audits.check(sample, verdict="wrong", note="错", by=reviewer, at=at)
    found = audits.figures(at=at)
    assert found[Lane.ONE_CLICK] == audits.Figures(1, 1, 0)
    assert found[Lane.ONE_CLICK].wrong_percent == 100
    assert found[Lane.EXPRESS].wrong_percent is None
    assert audits.figures(at=at + timedelta(days=31))[Lane.ONE_CLICK] == audits.Figures()
