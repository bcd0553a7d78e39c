"""退款要多久: the public page shows what was counted, is honest about little and none, and names days off (S2-30)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

import clock
from refunds import lifecycle, pace
from refunds.models import StageFigures
from refunds.workdays import SHANGHAI
from storefront import pace as shown
from tests.storefront.conftest import words

pytestmark = pytest.mark.django_db


def text(answer):
    body = words(answer).split("<main", 1)[1].split("</main", 1)[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)).replace(" ，", "，")


def figures(stage, **columns):
    """What an hour of a busy platform would have counted."""
    StageFigures.objects.filter(stage=stage).update(**columns)


def test_before_the_first_hour_it_says_so(client):
    assert "还没有统计过" in text(client.get("/status/"))


def test_nothing_little_and_enough_are_told_apart(client, reviewed, reviewer):
    lifecycle.approve([reviewed()], by=reviewer, at=clock.now())
    pace.compute(at=clock.now())
    page = text(client.get("/status/"))
    assert "近 30 天没有" in page
    assert "1 件 · 承诺：按退款政策写明的审核时限 样本少，不列时长" in page
    assert "环节 一半 九成" in page
    assert "%" not in page  # no share of one
    figures("decision_person", case_count=19, median_minutes=90, p90_minutes=300, kept_count=19)
    assert "90 分钟" not in text(client.get("/status/"))
    figures("decision_person", case_count=20)
    page = text(client.get("/status/"))
    assert "20 件 · 承诺：按退款政策写明的审核时限，做到 95% 90 分钟 5 小时" in page


def test_our_time_and_the_channels_stand_apart(client):
    pace.compute(at=clock.now())
    figures("release_automatic", case_count=400, median_minutes=1, p90_minutes=2, kept_count=399, overdue_count=1)
    figures("channel_alipay", case_count=30, median_minutes=3, p90_minutes=2881)
    ours, _shops, channels, *_others = words(client.get("/status/")).split("<h2>")[1:]
    assert "通过 → 系统放款" in ours
    assert "承诺 2 小时内，做到 99.5%" in re.sub(r"\s+", " ", ours)
    assert "1 分钟内" in ours
    assert "另有 1 件超时未办完" in ours
    assert "支付宝：收到 → 退出" in channels
    assert "2 天 1 小时" in channels  # never told shorter than it was
    assert "承诺" not in channels


def test_it_says_when_it_was_counted_and_when_that_is_old(client):
    at = clock.now()
    pace.compute(at=at - timedelta(hours=2))
    assert f"{at.astimezone(SHANGHAI) - timedelta(hours=2):%H:%M}" in text(client.get("/status/"))
    assert "旧数据" not in text(client.get("/status/"))
    StageFigures.objects.update(computed_at=at - timedelta(hours=4))
    assert "统计没有按时更新" in text(client.get("/status/"))


def test_it_costs_no_more_queries_than_the_help_page(client):
    pace.compute(at=clock.now())
    with CaptureQueriesContext(connection) as help_page:
        client.get("/help/")
    with CaptureQueriesContext(connection) as page:
        client.get("/status/")
    assert len(page) <= len(help_page)  # whose own one is for the policy it leads to


def test_the_pages_lead_to_each_other(client):
    assert 'href="/status/"' in words(client.get("/help/")).split("<main", 1)[1].split("</main", 1)[0]
    assert 'href="/help/"' in words(client.get("/status/")).split("<main", 1)[1].split("</main", 1)[0]


# --- days off ---------------------------------------------------------------------------------------------------------


def notice(day):
    return shown.holiday_notice(at=datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=SHANGHAI))


def test_a_holiday_is_announced_with_what_it_means():
    told = notice("2026-09-29")
    assert told["breaks"] == ["10月1日（周四）至10月7日（周三）放假，银行和审核人员不上班，10月8日（周四）恢复。"]
    assert told["arrives_by"] == "10月9日（周五）"  # September 30, October 8 and 9 are worked
    assert told["is_official"]
    assert notice("2026-10-02")["worked"] == "10月10日（周六）"
    assert notice("2024-12-30")["breaks"] == ["1月1日（周三）放假，银行和审核人员不上班，1月2日（周四）恢复。"]


def test_an_ordinary_week_needs_no_notice_and_an_unknown_plan_does():
    assert notice("2026-11-16") is None
    told = notice("2027-06-21")
    assert (told["breaks"], told["is_official"]) == ([], False)


def test_both_pages_show_the_notice(client):
    """The shop's clock is moved to the eve of a long holiday."""
    eve = datetime(2026, 12, 30, 12, tzinfo=SHANGHAI)
    clock.advance(eve - clock.now())
    for path in ("/help/", "/status/"):
        page = text(client.get(path))
        assert "1月1日（周五）至1月3日（周日）放假" in page
        assert "以国务院公布的放假安排为准" in page
        assert "最晚 1月5日（周二） 到账" in page
