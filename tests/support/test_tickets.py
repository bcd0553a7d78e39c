"""工单: asked, answered in time, handed over, closed in words, reopened once; never a second application."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib import admin as django_admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

import clock
import paging
from accounts import agents
from notices.models import Notice
from orders.talk import CannotSpeak
from refunds.models import Refund
from support import hours, pictures, tickets, words
from support.models import ShopComplaint, Ticket, TicketMessage, TicketStatus, Tier, Voice
from support.tickets import MOST_AN_HOUR, MOST_OPEN, CannotDo
from tests.cast import person
from tests.plans import only_by_index
from tests.support.conftest import text

pytestmark = pytest.mark.django_db


def code_of(refusal):
    return refusal.value.code


# --- asking -----------------------------------------------------------------------------------------------------------


def test_a_ticket_is_promised_an_answer_within_minutes_of_service(open_ticket):
    """S3-19, S2-3."""
    at = clock.now()
    ticket = open_ticket(at=at)
    assert ticket.promised_by == ticket.next_due_at == hours.after(at, 5)
    assert (ticket.status, ticket.tier, ticket.agent) == (TicketStatus.WAITING, Tier.AGENT, None)
    assert [row.step for row in ticket.events.all()] == ["open"]


def test_a_ticket_is_never_a_second_application(open_ticket, buy, apply, browse, buyer):
    """S3-21: it leads to the case that there is, else to the application; whatever is asked, it makes no case."""
    order = buy()
    ticket = open_ticket("我要退款，请马上退款", topic="refund", order=order)
    assert ticket.refund is None
    assert not Refund.objects.exists()
    page = text(browse(buyer).get(f"/support/tickets/{ticket.ticket_no}/"))
    assert f"/orders/{order.order_no}/refund/" in page
    running = apply(buy(price_fen=8800), reason="changed_mind")
    if running.status in {"submitted", "merchant_review", "first_review"}:
        second = open_ticket("退款", topic="refund", order=running.order)
        assert second.refund == running
    assert Refund.objects.count() == 1


def test_the_way_to_the_case_stands_on_the_form_and_the_ticket(open_ticket, reviewed, browse, buyer):
    """S3-21, S0-8."""
    refund = reviewed()
    browser = browse(buyer)
    assert f"/refunds/{refund.refund_no}/" in text(browser.get(f"/support/tickets/new/?order={refund.order.order_no}"))
    ticket = open_ticket(order=refund.order, topic="evidence")
    assert ticket.refund == refund
    assert f"/refunds/{refund.refund_no}/" in text(browser.get(f"/support/tickets/{ticket.ticket_no}/"))
    assert Refund.objects.count() == 1


def test_nobody_asks_about_anothers_order(open_ticket, buy, stranger):
    with pytest.raises(CannotDo) as refusal:
        open_ticket(by=stranger, order=buy())
    assert code_of(refusal) == "not_yours"


def test_codes_are_masked_and_scams_marked(open_ticket, buy, make_product, reveal):
    """PM16, S4-20: with an order, and without one."""
    order = buy()
    (secret,) = reveal(order)
    for told in (open_ticket(f"卡密 {secret} 打不开", order=order), open_ticket(f"卡密 {secret} 打不开")):
        assert secret not in told.messages.get().text
    assert open_ticket("客服让我加微信 abc12345").messages.get().warnings == ["contact"]


def test_a_buyer_has_so_many_open_and_says_so_much(open_ticket, buyer):
    at = clock.now()
    opened = [open_ticket(f"第 {n} 问", at=at) for n in range(MOST_OPEN)]
    with pytest.raises(CannotDo) as refusal:
        open_ticket(at=at)
    assert code_of(refusal) == "too_many"
    for n in range(MOST_AN_HOUR - MOST_OPEN):
        tickets.ask(opened[0], f"再补 {n}", by=buyer, at=at)
    with pytest.raises(CannotDo) as refusal:
        tickets.ask(opened[0], "还有", by=buyer, at=at)
    assert code_of(refusal) == "too_often"
    tickets.ask(opened[0], "一小时后", by=buyer, at=at + timedelta(minutes=61))


def test_a_day_has_an_end(open_ticket, reviewer):
    at = clock.now()
    for n in range(tickets.MOST_A_DAY):
        tickets.close(open_ticket(f"第 {n} 问", at=at), "已处理", by=reviewer, at=at)
    with pytest.raises(CannotDo) as refusal:
        open_ticket(at=at)
    assert code_of(refusal) == "too_often"


def test_six_pictures_and_no_more(open_ticket, image, buyer):
    ticket = open_ticket(images=[image] * 4)
    with pytest.raises(pictures.TooManyPictures):
        tickets.ask(ticket, "再来三张", by=buyer, at=clock.now(), images=[image] * 3)
    assert (ticket.pictures.count(), ticket.messages.count()) == (4, 1)


@pytest.mark.parametrize("said", [" ", "\0", "长" * 1001])
def test_nothing_and_too_much_are_refused(open_ticket, said):
    with pytest.raises(words.CannotWrite):
        open_ticket(said)
    assert not Ticket.objects.exists()


# --- answering --------------------------------------------------------------------------------------------------------


def test_an_answer_stops_the_clock_and_a_question_starts_it(open_ticket, buyer, reviewer):
    ticket, at = open_ticket(), clock.now()
    tickets.answer(ticket, "请上传截图", by=reviewer, at=at)
    assert (ticket.status, ticket.promised_by, ticket.agent) == (TicketStatus.ANSWERED, None, reviewer)
    assert ticket.first_answered_at == at
    assert Notice.objects.filter(recipient=buyer, kind="ticket_answered").count() == 1
    tickets.ask(ticket, "截图已传", by=buyer, at=at)
    assert (ticket.status, ticket.promised_by) == (TicketStatus.WAITING, hours.after(at, 30))
    promised = ticket.promised_by
    tickets.ask(ticket, "再补一句", by=buyer, at=at + timedelta(minutes=1))
    assert ticket.promised_by == promised, "what is not answered yet keeps its deadline"
    assert Notice.objects.filter(recipient=reviewer, kind="ticket_asked").count() == 2


def test_nobody_is_answered_over_what_was_not_read(open_ticket, buyer, reviewer):
    """S3-19: written while the agent typed, it would wait without a deadline until the machine closes the ticket."""
    ticket, at = open_ticket(), clock.now()
    read = tickets.last_question(ticket).pk
    tickets.ask(ticket, "我的钱呢？", by=buyer, at=at)
    for say in (tickets.answer, tickets.close):
        with pytest.raises(CannotDo, match="又写了一条"):
            say(ticket, "请您稍等", by=reviewer, at=at, read=read)
    assert (ticket.status, ticket.promised_by is not None) == (TicketStatus.WAITING, True)
    tickets.answer(ticket, "今天到账", by=reviewer, at=at, read=tickets.last_question(ticket).pk)
    assert ticket.status == TicketStatus.ANSWERED


def test_at_the_desk_what_was_typed_stays_until_it_is_read(open_ticket, buyer, reviewer, client):
    ticket = open_ticket()
    read = str(tickets.last_question(ticket).pk)
    tickets.ask(ticket, "我的钱呢？", by=buyer, at=clock.now())
    client.force_login(reviewer)
    address, said = (
        reverse("admin:support_ticket_answer", args=[ticket.pk]),
        {"_form_submitted": "True", "text": "稍等"},
    )
    page = client.post(address, said | {"read": read}, headers={"HX-Request": "true"}).content.decode()
    for shown in ("又写了一条", "我的钱呢？", ">稍等</textarea>", f'value="{tickets.last_question(ticket).pk}"'):
        assert shown in page.replace("\n", "")
    assert ticket.messages.count() == 2


def test_an_agent_never_sends_what_is_never_ours(open_ticket, reviewer):
    """P14."""
    ticket = open_ticket()
    for say in (tickets.answer, tickets.close):
        with pytest.raises(CannotSpeak):
            say(ticket, "加我微信 abc12345 处理", by=reviewer, at=clock.now())
    assert ticket.messages.count() == 1


def test_who_may_not_work_on_a_ticket_does_not(open_ticket, buy, buyer, stranger, merchant, finance, reviewer):
    """I10: neither the buyer's own account nor anybody of the shop, whatever their job; and no other role."""
    order = buy()
    ticket = open_ticket(order=order)
    order.shop.members.add(reviewer)
    for nobody in (buyer, stranger, merchant, finance, reviewer):
        for act in (
            lambda by: tickets.claim(ticket, by=by, at=clock.now()),
            lambda by: tickets.answer(ticket, "好", by=by, at=clock.now()),
            lambda by: tickets.close(ticket, "好", by=by, at=clock.now()),
        ):
            with pytest.raises(CannotDo) as refusal:
                act(nobody)
            assert code_of(refusal) == "not_yours"
    with pytest.raises(CannotDo):
        tickets.ask(ticket, "我也问", by=stranger, at=clock.now())
    own = open_ticket(by=person("clerk", "reviewer"))
    with pytest.raises(CannotDo):
        tickets.answer(own, "自问自答", by=own.buyer, at=clock.now())


def test_what_a_colleague_has_is_handed_over_and_not_taken(open_ticket, reviewer, senior, buyer):
    """Complex matters stay with one agent."""
    ticket, other = open_ticket(), person("another", "reviewer")
    tickets.claim(ticket, by=reviewer, at=clock.now())
    with pytest.raises(CannotDo) as refusal:
        tickets.answer(ticket, "我来", by=other, at=clock.now())
    assert code_of(refusal) == "taken"
    for nobody in (buyer.pk + 1000, 7, 10**15):
        with pytest.raises(CannotDo):
            tickets.hand_over(ticket, to=nobody, note="复杂", by=reviewer, at=clock.now())
    tickets.hand_over(ticket, to=agents.number_of(other.pk), note="举证复杂", by=reviewer, at=clock.now())
    assert ticket.agent == other
    assert ticket.status == TicketStatus.WAITING
    assert Notice.objects.filter(recipient=other, kind="ticket_handed").exists()
    assert ticket.events.last().note == "举证复杂"
    tickets.claim(ticket, by=senior, at=clock.now())
    assert ticket.agent == senior, "a senior may"


# --- closing and reopening --------------------------------------------------------------------------------------------


def test_it_is_closed_in_words_and_reopened_once_within_seven_days(open_ticket, reviewer, buyer, stranger):
    at = clock.now()
    ticket = open_ticket(at=at)
    with pytest.raises(words.CannotWrite):
        tickets.close(ticket, " ", by=reviewer, at=at)
    tickets.close(ticket, "已说明到账时间", by=reviewer, at=at)
    assert (ticket.status, ticket.next_due_at, ticket.closing_words) == (TicketStatus.CLOSED, None, "已说明到账时间")
    with pytest.raises(CannotDo):
        tickets.reopen(ticket, "我重开", by=stranger, at=at)
    with pytest.raises(CannotDo) as refusal:
        tickets.reopen(ticket, "八天了", by=buyer, at=at + timedelta(days=7, seconds=1))
    assert code_of(refusal) == "too_late"
    tickets.reopen(ticket, "还是没到", by=buyer, at=at + timedelta(days=7))
    assert (ticket.status, ticket.agent) == (TicketStatus.WAITING, reviewer)
    tickets.close(ticket, "已核实", by=reviewer, at=at + timedelta(days=8))
    with pytest.raises(CannotDo):
        tickets.reopen(ticket, "再重开", by=buyer, at=at + timedelta(days=8))
    steps = [row.step for row in ticket.events.order_by("pk")]
    assert steps == ["open", "close", "reopen", "close"]


def test_every_step_that_the_table_does_not_list_is_refused(open_ticket, reviewer, buyer):
    ticket = open_ticket()
    tickets.close(ticket, "好", by=reviewer, at=clock.now())
    for act in (
        lambda: tickets.answer(ticket, "晚了", by=reviewer, at=clock.now()),
        lambda: tickets.claim(ticket, by=reviewer, at=clock.now()),
        lambda: tickets.close(ticket, "再关", by=reviewer, at=clock.now()),
        lambda: tickets.ask(ticket, "补", by=buyer, at=clock.now()),
    ):
        with pytest.raises(CannotDo) as refusal:
            act()
        assert code_of(refusal) == "wrong_status"


# --- the machine ------------------------------------------------------------------------------------------------------


def test_what_is_late_goes_to_the_seniors_then_to_the_operators_and_stays_there(
    open_ticket, reviewer, senior, operator
):
    """S3-19: nobody's question waits in silence, and no question is closed for being old."""
    at = clock.now()
    ticket = open_ticket(at=at)
    assert tickets.sweep(at=ticket.promised_by - timedelta(seconds=1)) == 0
    tiers = []
    for _ in range(3):
        tickets.sweep(at=ticket.next_due_at)
        ticket.refresh_from_db()
        tiers.append(ticket.tier)
    assert tiers == [Tier.SENIOR, Tier.OPERATOR, Tier.OPERATOR]
    told = Notice.objects.filter(kind="ticket_late")
    assert told.filter(recipient=senior).count() == 1
    assert told.filter(recipient=operator).count() == 2
    assert not told.filter(recipient=reviewer).exists()
    assert ticket.status == TicketStatus.WAITING
    tickets.answer(ticket, "让您久等", by=operator, at=ticket.next_due_at)
    assert (ticket.tier, ticket.promised_by) == (Tier.AGENT, None)


def test_sweeping_twice_at_once_escalates_once(open_ticket, senior, operator):
    ticket = open_ticket()
    at = ticket.promised_by
    assert tickets.sweep(at=at) == 1
    assert tickets.sweep(at=at) == 0
    assert ticket.events.filter(step="escalate").count() == 1


def test_what_the_buyer_leaves_is_closed_in_words_that_both_languages_have(open_ticket, reviewer, browse, buyer):
    ticket, at = open_ticket(), clock.now()
    tickets.answer(ticket, "请看退款页", by=reviewer, at=at)
    assert tickets.sweep(at=at + timedelta(days=6)) == 0
    assert tickets.sweep(at=at + timedelta(days=7)) == 1
    ticket.refresh_from_db()
    assert ticket.status == TicketStatus.CLOSED
    assert tickets.LAPSED in text(browse(buyer).get(f"/support/tickets/{ticket.ticket_no}/"))
    with translation.override("en"):
        assert translation.gettext(tickets.LAPSED) != tickets.LAPSED


# --- pages ------------------------------------------------------------------------------------------------------------


def test_a_ticket_is_brought_read_and_continued_without_a_script(browse, buyer, buy, reviewer):
    order, browser = buy(), browse(buyer)
    sent = {"topic": "evidence", "order_no": order.order_no, "text": "材料有二十页，怎么交？"}
    answer = browser.post("/support/tickets/new/", sent)
    ticket = Ticket.objects.get()
    assert answer["Location"] == f"/support/tickets/{ticket.ticket_no}/"
    tickets.answer(ticket, "请分几次上传", by=reviewer, at=clock.now())
    page = text(browser.get(answer["Location"]))
    assert f"客服 工号 {agents.number_of(reviewer.pk)}" in page
    assert "reviewer" not in page
    assert browser.post(f"{answer['Location']}say/", {"text": "好的"})["Location"] == answer["Location"]
    assert TicketMessage.objects.filter(voice=Voice.BUYER).count() == 2
    assert ticket.ticket_no in text(browser.get("/support/tickets/"))


def test_a_complaint_about_a_shop_has_its_own_way(browse, buyer, buy):
    """S0-34: the words typed stay, and the way is beside them."""
    order = buy()
    sent = {"topic": "shop", "order_no": order.order_no, "text": "商家骂人"}
    page = text(browse(buyer).post("/support/tickets/new/", sent))
    assert f"/orders/{order.order_no}/complain/" in page
    assert "商家骂人" in page
    assert not Ticket.objects.exists()


def test_others_tickets_and_pictures_are_not_there(open_ticket, image, browse, stranger, merchant, finance, reviewer):
    """X4, X7, X8: nor by an address that was signed for somebody else."""
    ticket = open_ticket(images=[image])
    page = f"/support/tickets/{ticket.ticket_no}/"
    picture = f"/support/pictures/{ticket.pictures.get().pk}/"
    for nobody in (stranger, merchant, finance, reviewer):
        assert browse(nobody).get(page).status_code == 404
        assert browse(nobody).post(f"{page}say/", {"text": "好"}).status_code == 404
    for nobody in (stranger, merchant, finance):
        assert browse(nobody).get(picture).status_code == 404
    assert browse(reviewer).get(picture).status_code == 403, "theirs to see, at an address signed for them"


def test_the_center_names_every_way_and_the_hours(browse, buyer, settings):
    """S3-19, S3-20, S0-10, S1-22."""
    settings.SUPPORT_PHONE = ""
    page = text(browse().get("/support/"))
    for place in ("assistant/", "tickets/new/", "verify/", "complaints/"):
        assert f"/support/{place}" in page
    assert "09:00–21:00" in page
    assert "没有电话客服" in page
    assert "96110" in page
    settings.SUPPORT_PHONE = "400-000-0000"
    page = text(browse().get("/support/"))
    assert "400-000-0000" in page
    assert "只用于紧急情况" in page


def test_a_long_thread_is_read_page_by_page_in_one_query(open_ticket, buyer, django_assert_num_queries):
    from support import showing

    ticket = open_ticket()
    TicketMessage.objects.bulk_create(
        TicketMessage(ticket=ticket, voice="buyer", author=buyer, text=f"第 {n} 句", at=clock.now()) for n in range(5)
    )
    with django_assert_num_queries(1):
        page = showing.thread(ticket, most=3)
    assert [line.message.text for line in page.lines] == ["第 2 句", "第 3 句", "第 4 句"]
    assert len(showing.thread(ticket, before=page.earlier, most=3).lines) == 3


@pytest.mark.parametrize(("desk", "index"), [(Ticket, "ticket_in_order"), (ShopComplaint, "complaint_in_order")])
def test_the_desks_list_comes_in_the_order_of_an_index(desk, index, open_ticket):
    """However many are closed."""
    open_ticket(at=clock.now())
    only_by_index()
    order = django_admin.site.get_model_admin(desk).ordering
    for asked in ("", paging.LAST):
        with CaptureQueriesContext(connection) as captured:
            paging.leaf(desk.objects.all(), order, asked=asked)
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + captured[0]["sql"])
            assert index in str(cursor.fetchall())
