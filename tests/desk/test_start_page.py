"""The start page beyond its tiles: what will be late, how long it takes, what goes which way (O1)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

import clock
from refunds import forecast, pace
from refunds.models import Refund, StageFigures
from tests.desk.conftest import text

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def test_each_role_sees_what_is_its_own(sits: Any, staff: Any, reviewed: Any, approved: Any) -> None:
    for refund, at in ((reviewed(), -HOUR), (reviewed(), 2 * HOUR), (approved(), 3 * HOUR)):
        Refund.objects.filter(pk=refund.pk).update(promised_by=clock.now() + at)
    shown = {}
    for role, person in staff.items():
        answer = sits(person).get("/admin/")
        shown[role] = [bar.title for bar in answer.context["outlooks"]]
        assert ("shares" in answer.context) == (role in {"senior", "operator"})
    assert shown == {
        "reviewer": ["客服"], "senior": ["客服"], "finance": ["财务"], "operator": ["客服", "财务"],
    }  # fmt: skip


def test_a_chart_and_its_table_say_the_same(sits: Any, operator: Any, reviewed: Any) -> None:
    at = clock.now()
    for hours in (-1, 5, 5, 30):
        Refund.objects.filter(pk=reviewed().pk).update(promised_by=at + hours * HOUR)
    answer = sits(operator).get("/admin/")
    (bar,) = answer.context["outlooks"]
    data = json.loads(bar.data)
    due, late = (each["data"] for each in data["datasets"])
    assert (len(data["labels"]), sum(due), late[-1]) == (forecast.HOURS, 4, 4)
    assert due[0] == 1, "what is late already stands in the first hour"
    assert [numbers for _, numbers in bar.rows][-1] == [due[-1], late[-1]]
    assert json.loads(bar.options)["maintainAspectRatio"] is False
    page = text(answer)
    assert "已超时 1 件，近 7 天每小时处理 0.0 件，照此最多同时超时 4 件" in page
    assert page.count('<canvas class="chart" role="img" aria-label="客服：') == 1
    assert '<th scope="col">届时超时</th>' in page


def test_the_figures_of_the_hour_are_shown_with_their_shares(sits: Any, senior: Any) -> None:
    at = clock.now()
    pace.compute(at=at)
    rows = StageFigures.objects
    rows.filter(stage="merchant").update(
        case_count=40, median_minutes=90, p90_minutes=1440, kept_count=30, overdue_count=2
    )
    rows.filter(stage="share_silent_shops").update(case_count=40, kept_count=10)
    answer = sits(senior).get("/admin/")
    shares = {share.title: (share.said, share.hint) for share in answer.context["shares"]}
    assert shares["商家逾期未答"] == ("25%", "40 件中的 10 件")
    assert shares["申诉成立"] == ("—", "近 30 天没有")
    stages = answer.context["stages"]
    assert stages.rows == [("等商家答复", [40, "90 分钟", "24 小时", "71.4%", 2])]
    assert [each["data"] for each in json.loads(stages.data)["datasets"]] == [[1.5], [24.0]]
    assert "统计，每小时一次" in text(answer)


def test_before_the_first_hour_it_says_so(sits: Any, operator: Any) -> None:
    page = text(sits(operator).get("/admin/"))
    assert "还没有统计过" in page
    assert "没有到期的，也没有超时的。" in page


def test_more_cases_cost_no_more_queries(sits: Any, operator: Any, reviewed: Any) -> None:
    seat = sits(operator)
    reviewed()
    pace.compute(at=clock.now())
    seat.get("/admin/")
    with CaptureQueriesContext(connection) as few:
        seat.get("/admin/")
    for _ in range(3):
        reviewed()
    with CaptureQueriesContext(connection) as many:
        seat.get("/admin/")
    assert len(many) == len(few)
