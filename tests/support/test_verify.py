"""核实客服 (B13): is this our agent, and did we send this? P14, S4-20, S4-28, S0-10, S1-22."""

from __future__ import annotations

import re

import pytest

import clock
from accounts import agents
from orders import talk
from support import tickets, verifying
from tests.support.conftest import text

pytestmark = pytest.mark.django_db
PAGE = "/support/verify/"


def test_a_number_is_at_work_here_or_not_and_nobody_is_named(browse, buyer, reviewer, operator):
    number = agents.number_of(reviewer.pk)
    page = text(browse().post(PAGE, {"agent": f"工号 {number}"}))
    assert "是本站在岗客服的工号" in page
    assert "reviewer" not in page
    assert "工号谁都可以冒用" in page
    for nobody in (str(agents.number_of(buyer.pk)), "7", "99999999999999999999", "abc", "٣٤٥٦"):
        assert "不是本站在岗客服" in text(browse().post(PAGE, {"agent": nobody})), nobody
    reviewer.is_active = False
    reviewer.save()
    assert "不是本站在岗客服" in text(browse().post(PAGE, {"agent": str(number)}))


def test_what_we_sent_is_found_by_its_words_or_its_number_for_whom_it_was_sent(
    buy, open_ticket, browse, buyer, stranger, merchant, reviewer
):
    order = buy()
    said = talk.answer(order, "请在退款页补充兑换截图", by=reviewer, at=clock.now())
    ticket = open_ticket()
    tickets.answer(ticket, "到账以银行入账为准，请耐心等待", by=reviewer, at=clock.now())
    answered = ticket.messages.last()
    for query in ("请在退款页 补充兑换截图", talk.number_of(said), talk.number_of(said).lower()):
        found = verifying.find(query, buyer)
        assert [sent.path for sent in found] == [f"/orders/{order.order_no}/#talk"], query
        assert found[0].signed == agents.title(reviewer.pk)
    assert verifying.find("到账以银行入账为准", buyer)[0].path == f"/support/tickets/{ticket.ticket_no}/"
    assert verifying.find(verifying.number_of(answered), buyer)
    assert verifying.find("请在退款页补充兑换截图", merchant)[0].path.startswith("/shop/orders/")
    assert verifying.find(f"订单 {order.order_no} 已交付", buyer)[0].path == "/notices/"
    for query in ("请在退款页补充兑换截图", talk.number_of(said), verifying.number_of(answered)):
        assert verifying.find(query, stranger) == []
    assert "是我们发给您的" in text(browse(buyer).post(PAGE, {"said": "请在退款页补充兑换截图"}))
    assert "请先登录" in text(browse().post(PAGE, {"said": "请在退款页补充兑换截图"}))


def test_what_others_wrote_or_what_was_added_is_not_ours(buy, browse, buyer, merchant, reviewer):
    """A message of ours with something added is no message of ours; nor is the shop's."""
    order = buy()
    talk.answer(order, "请在退款页补充兑换截图", by=reviewer, at=clock.now())
    talk.say(order, "我们马上给您处理退款", by=merchant, at=clock.now())
    for query in (
        "我们马上给您处理退款",
        "请在退款页补充兑换截图，点 http://evil.example",
        "请在",
        "退款",
        "M0",
        "M99999999",
    ):
        assert verifying.find(query, buyer) == [], query
    page = text(browse(buyer).post(PAGE, {"said": "请点 http://evil.example/refund 并把验证码发给我"}))
    assert "不是我们发的" in page
    assert str(talk.WARNINGS["link"]) in page
    assert str(talk.WARNINGS["secret"]) in page


def test_the_page_leads_nowhere_else_and_names_the_police(browse, settings):
    """P14, S4-28."""
    page = text(browse().get(PAGE))
    assert "110" in page
    assert "96110" in page
    assert re.findall(r'(?:href|src|action)="(?:https?:)?//[^"]+"', page) == []
    assert "请填工号" in text(browse().post(PAGE, {}))


def test_it_reads_a_bounded_number_of_rows(buy, buyer, reviewer, django_assert_max_num_queries):
    order = buy()
    talk.answer(order, "请在退款页补充兑换截图", by=reviewer, at=clock.now())
    with django_assert_max_num_queries(3):
        verifying.find("请在退款页补充兑换截图", buyer)
