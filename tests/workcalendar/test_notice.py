"""A year's plan read from the words of its notice (P10)."""

from __future__ import annotations

from datetime import date

import chinese_calendar
import pytest

from workcalendar.days import Calendar, Entry, days_of
from workcalendar.notice import CannotRead, read

#: The plan of 2026, word by word as it was published.
OF_2026 = """一、元旦：1月1日（周四）至3日（周六）放假调休，共3天。1月4日（周日）上班。
二、春节：2月15日（农历腊月二十八、周日）至23日（农历正月初七、周一）放假调休，共9天。2月14日（周六）、2月28日（周六）上班。
三、清明节：4月4日（周六）至6日（周一）放假，共3天。
四、劳动节：5月1日（周五）至5日（周二）放假调休，共5天。5月9日（周六）上班。
五、端午节：6月19日（周五）至21日（周日）放假，共3天。
六、中秋节：9月25日（周五）至27日（周日）放假，共3天。
七、国庆节：10月1日（周四）至7日（周三）放假调休，共7天。9月20日（周日）、10月10日（周六）上班。
节假日期间，各地区、各部门要妥善安排好值班和安全、保卫等工作，遇有重大突发事件，要按规定及时报告并妥善处置。"""


def days(text: str, year: int = 2027) -> list[str]:
    return [f"{named.day} {'上班' if named.is_working else '休'} {named.name}".strip() for named in read(text, year)]


def test_the_notice_of_2026_says_what_chinesecalendar_knows_of_2026():
    found = read(OF_2026, 2026)
    entered = Calendar([Entry(2026, True, {named.day: named.is_working for named in found})])
    assert [day for day in days_of(2026) if entered.is_working(day) != chinese_calendar.is_workday(day)] == []
    assert {named.name for named in found} == {"元旦", "春节", "清明节", "劳动节", "端午节", "中秋节", "国庆节"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("清明节：4月5日放假，4月6日（周二）补休。", ["2027-04-05 休 清明节", "2027-04-06 休 清明节"]),
        ("端午节：6月9日放假，与周末连休。", ["2027-06-09 休 端午节"]),
        ("1月31日，2月14日上班", ["2027-01-31 上班", "2027-02-14 上班"]),
        ("上班：2027-10-09，2027/10/10", ["2027-10-09 上班", "2027-10-10 上班"]),
        ("元旦 放假 2027-01-01 至 2027-01-02", ["2027-01-01 休 元旦", "2027-01-02 休 元旦"]),
        ("元旦：２０２６年１２月３１日至２０２７年１月１日放假", ["2026-12-31 休 元旦", "2027-01-01 休 元旦"]),
        ("3. 国庆节 10月1日~2日休息", ["2027-10-01 休 国庆节", "2027-10-02 休 国庆节"]),
        ("元旦：1月1日（星期五）放假\n元旦：1月1日放假", ["2027-01-01 休 元旦"]),
    ],
)
def test_what_people_write_is_read(text, found):
    assert days(text) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "没有读到任何日期"),
        ("各地区要妥善安排好值班", "没有读到任何日期"),
        ("1月1日（周四）放假", "2027-01-01 是周五，不是周四"),
        ("1月3日（星期天）放假至1月4日（周日）上班", "2027-01-04 是周一，不是周日"),
        ("2月30日放假", "不存在的日期"),
        ("2月29日放假", "不存在的日期"),
        ("10月1日", "没有写是放假还是上班"),
        ("5日放假", "没有写是几月"),
        ("2028年1月1日放假", "不属于 2027 年"),
        ("2026年11月30日放假", "不属于 2027 年"),
        ("12月31日至1月2日放假", "不是一段"),
        ("10月1日至30日放假", "不超过 20 天"),
        ("1月1日放假。1月1日上班", "既写了放假，又写了上班"),
        ("1月1日至3日放假，1月3日（周日）上班", "既写了放假，又写了上班"),
        ("放假" * 3000, "太长"),
    ],
)
def test_what_cannot_be_a_plan_is_refused_with_the_words_that_cannot(text, why):
    with pytest.raises(CannotRead, match=why):
        read(text, 2027)


def test_a_leap_day_is_a_day():
    assert [named.day for named in read("2月29日上班", 2028)] == [date(2028, 2, 29)]
