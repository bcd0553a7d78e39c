"""工作日历 at the desk (P10): what an operator pastes is shown first, and entered when it is confirmed as shown."""

from __future__ import annotations

import re
from datetime import date

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from tests.desk.conftest import HTMX, text
from workcalendar import current
from workcalendar.models import CalendarDay, CalendarPlan

pytestmark = pytest.mark.django_db
LIST = "/admin/workcalendar/calendarplan/"
PLAN = """元旦：1月1日至3日放假。春节：2月5日至11日放假。2月14日（周日）上班。清明节：4月5日放假。
劳动节：5月1日至5日放假。端午节：6月9日放假。中秋节：9月15日放假。国庆节：10月1日至7日放假。"""
YEAR = {"year": "2027", "text": PLAN, "source": "国办发明电〔2026〕9号"}
DAY = {"day": "2026-12-30", "works": "off", "name": "临时", "source": "补充通知"}


def submit(seat, act, **fields):
    path = reverse(f"admin:workcalendar_calendarplan_{act}")
    return seat.client.post(path, {"_form_submitted": "True", **fields}, headers=HTMX)


def seen_in(page: str) -> str:
    found = re.search(r'name="seen" value="([0-9a-f]{64})"', page)
    assert found, page
    return found[1]


def test_a_years_plan_is_shown_and_then_entered(sits, operator, reviewed):
    refund = reviewed()
    type(refund).objects.filter(pk=refund.pk).update(promised_by="2027-03-05T00:00Z")
    seat = sits(operator)
    page = text(submit(seat, "enter_year", **YEAR))
    assert "2027 年此前按估算" in page
    assert "2027-02-14 周日 春节：休息 → 上班" in page
    assert "至多 1 件" in page
    assert "已承诺的期限一律不变" in page
    assert "是不是少了一行" not in page
    assert not CalendarPlan.objects.exists()
    answer = submit(seat, "enter_year", **YEAR, seen=seen_in(page))
    plan = CalendarPlan.objects.get()
    assert "已生效" in (told := seat.reads(answer))
    assert "国办发明电〔2026〕9号" in told
    assert "2027年2月14日" in told or "2027-02-14" in told
    assert (plan.entered_by, plan.year, plan.is_whole_year) == (operator, 2027, True)
    assert current.calendar().is_working(date(2027, 2, 14))
    assert LogEntry.objects.filter(user=operator).count() == 1
    refund.refresh_from_db()
    assert f"{refund.promised_by:%Y-%m-%d}" == "2027-03-05", "what was promised stays promised"


def test_what_was_not_looked_at_is_not_entered(sits, operator):
    """Neither with no sight of it, nor with the sight of another text."""
    seat = sits(operator)
    seen = seen_in(text(submit(seat, "enter_year", **YEAR)))
    other = YEAR | {"text": PLAN.replace("国庆节：10月1日至7日放假。", "")}
    page = text(submit(seat, "enter_year", **other, seen=seen))
    assert "请核对上面的改动" in page
    assert "2027-10-01" in page
    assert "是不是少了一行" in page
    assert not CalendarPlan.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"text": ""}, "请粘贴通知正文"),
        ({"text": "1月1日（周四）放假"}, "不是周四"),
        ({"text": "<script>alert(1)</script>1月1日"}, "没有写是放假还是上班"),
        ({"year": ""}, "必填"),
        ({"year": "2025"}, "只能录入"),
        ({"year": "99999"}, "2004 到 2200"),
        ({"source": ""}, "请写明依据"),
    ],
)
def test_what_is_no_plan_is_said(sits, operator, wrong, said):
    page = text(submit(sits(operator), "enter_year", **(YEAR | wrong)))
    assert said in page
    assert "<script>alert" not in page
    assert not CalendarPlan.objects.exists()


def test_one_day_is_put_right(sits, operator):
    seat = sits(operator)
    page = text(submit(seat, "correct_day", **DAY))
    assert "2026-12-30 周三 临时：上班 → 休息" in page
    assert "已生效" in seat.reads(submit(seat, "correct_day", **DAY, seen=seen_in(page)))
    assert CalendarDay.objects.get().day == date(2026, 12, 30)
    assert "没有改动" in text(submit(seat, "correct_day", **DAY))
    assert "已经过去" in text(submit(seat, "correct_day", **(DAY | {"day": "2026-01-05"})))
    assert "请填写日期" in text(submit(seat, "correct_day", **(DAY | {"day": ""})))


def test_everybody_sees_which_years_are_known_and_operators_enter(sits, staff):
    for person in staff.values():
        page = text(sits(person).get(LIST))
        assert "2027 年的放假安排还没有录入" in page
        assert page.count("估算") >= 2
        assert ("录入全年安排" in page) == (person.role == "operator")
    for role in ("reviewer", "senior", "finance"):
        assert submit(sits(staff[role]), "enter_year", **YEAR).status_code == 403
        assert submit(sits(staff[role]), "correct_day", **DAY).status_code == 403
    seat = sits(staff["operator"])
    submit(seat, "enter_year", **YEAR, seen=seen_in(text(submit(seat, "enter_year", **YEAR))))
    page = text(seat.get(LIST))
    assert "还没有录入" not in page
    assert "已录入" in page
