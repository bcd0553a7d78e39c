"""助手: answers from the record of a case, in every status and both languages, and never what it does not know."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

import clock
from refunds import lifecycle, stages
from refunds.models import RefundEvent
from refunds.models import Status as S
from support import assistant, reading, tickets
from support.assistant import Intent, understand
from support.models import Ticket, Topic, Voice
from tests.support.conftest import text

pytestmark = pytest.mark.django_db
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize(
    ("question", "intent"),
    [
        ("我的退款到哪了", Intent.PROGRESS),
        ("现在什么进度？", Intent.PROGRESS),
        ("Where is my refund?", Intent.PROGRESS),
        ("还缺什么材料", Intent.MISSING),
        ("要传哪些截图", Intent.MISSING),
        ("what evidence is missing", Intent.MISSING),
        ("什么时候到账", Intent.ARRIVAL),
        ("钱要几天", Intent.ARRIVAL),
        ("ＷＨＥＮ does it arrive", Intent.ARRIVAL),
        ("为什么被拒", Intent.WHY),
        ("凭什么不给我退款", Intent.WHY),
        ("why was it rejected", Intent.WHY),
        ("怎么申诉", Intent.APPEAL),
        ("我不同意这个结果", Intent.APPEAL),
        ("how do I appeal", Intent.APPEAL),
        ("转人工", Intent.HUMAN),
        ("我要找真人", Intent.HUMAN),
        ("talk to a human", Intent.HUMAN),
        ("今天天气不错", None),
        ("", None),
    ],
)
def test_a_question_is_understood_in_either_language_or_not_at_all(question, intent):
    assert understand(question) == intent


def test_what_is_not_understood_or_not_known_is_said_so():
    for said in (assistant.answer(None, None), assistant.answer(Intent.PROGRESS, None)):
        assert "转人工" in said.text
        assert said.source == ""


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("status", S.values)
def test_every_status_has_a_true_answer_to_every_question(reviewed, status, language, buyer):
    """Over the whole list of statuses, so that a new one has its answers too: what is said is what the track says.

    The status is set on the object alone and never kept: nothing but the words is asked of it.
    """
    refund = reviewed()
    known_events = list(refund.events.order_by("sequence"))
    refund.status, refund.queue = status, lifecycle.QUEUE_OF[S(status)]
    refund.evidence_request = "A clear picture"
    refund.arrived_at = clock.now() if status == S.ARRIVED else None
    end = RefundEvent(
        refund=refund, sequence=known_events[-1].sequence + 1, step="reject", from_status="first_review",
        to_status=status, note="It was redeemed", at=clock.now(),
    )  # fmt: skip
    events = [*known_events, end]
    with translation.override(language):
        known = reading.known(refund, events, [("shot", False)], None, [], at=clock.now())
        track = stages.track(refund, events, at=clock.now())
        said = {intent: assistant.answer(intent, known) for intent in Intent}
        for intent, answer in said.items():
            assert answer.sentences, intent
            assert refund.refund_no in answer.source, intent
            assert all(answer.sentences), intent
            if language == "en":
                assert not CHINESE.search(answer.text), (intent, answer.text)
        assert track.headline in said[Intent.PROGRESS].text
        assert track.next_step in said[Intent.PROGRESS].text
        assert track.money in said[Intent.ARRIVAL].text
        refused = status in {S.REJECTED, S.CLOSED}
        assert ("It was redeemed" in said[Intent.WHY].text) == refused
        assert (track.headline in said[Intent.WHY].text) or refused
        assert ("A clear picture" in said[Intent.MISSING].text) == (status == S.AWAITING_EVIDENCE)
        date_of_arrival = "记录的到账时间" if language == "zh-hans" else "Recorded arrival"
        assert (date_of_arrival in said[Intent.ARRIVAL].text) == (status == S.ARRIVED)


def test_a_lived_case_is_answered_with_its_own_words(reviewed, reviewer, buyer):
    """缺什么 names what the reviewer asked for; 为什么 the reviewer's own reason."""
    refund = reviewed()
    lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请上传兑换页截图")
    refund.refresh_from_db()
    assert "请上传兑换页截图" in ask(refund, Intent.MISSING, buyer)
    lifecycle.provide_evidence(refund, by=buyer, at=clock.now(), note="截图在手机里")
    refund.refresh_from_db()
    assert "请上传兑换页截图" not in ask(refund, Intent.MISSING, buyer)
    assert "没有被拒" in ask(refund, Intent.WHY, buyer)
    assert "还没有到账日期" in ask(refund, Intent.ARRIVAL, buyer)


def test_an_application_that_a_rule_refused_is_explained_by_that_rule_in_english_too(buy, apply, buyer, reveal):
    refund = apply(buy(price_fen=8800, window_days=0))
    assert refund.status == S.REJECTED
    assert refund.events.last().note in ask(refund, Intent.WHY, buyer)
    with translation.override("en"):
        assert not CHINESE.search(ask(refund, Intent.WHY, buyer))


def test_it_reads_a_case_in_a_number_of_queries_that_its_length_does_not_change(reviewed, reviewer, buyer):
    refund = reviewed()
    short = queries_of(refund, buyer)
    for turn in range(2):
        lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note=f"请补充 {turn}")
        refund.refresh_from_db()
        lifecycle.provide_evidence(refund, by=buyer, at=clock.now(), note=f"已补充 {turn}")
        refund.refresh_from_db()
    assert queries_of(refund, buyer) == short <= 16


def queries_of(refund, buyer):
    with CaptureQueriesContext(connection) as asked:
        reading.known_of(reading.cases_of(buyer).get(pk=refund.pk), buyer, at=clock.now())
    return len(asked)


def ask(refund, intent, buyer):
    fresh = reading.cases_of(buyer).get(pk=refund.pk)
    return assistant.answer(intent, reading.known_of(fresh, buyer, at=clock.now())).text


# --- pages ------------------------------------------------------------------------------------------------------------


def test_the_page_answers_and_hands_over_with_everything_that_was_said(reviewed, browse, buyer):
    """S3-19, S3-21: the ticket holds question, case and answer, and nothing is asked twice."""
    refund, browser = reviewed(), browse(buyer)
    query = {"refund": refund.refund_no, "q": "我的退款到哪了"}
    page = text(browser.get("/support/assistant/", query))
    assert f"来自退款单 {refund.refund_no} 的记录" in page
    assert not Ticket.objects.exists(), "asking writes nothing"
    answer = browser.post("/support/assistant/", query)
    ticket = Ticket.objects.get()
    assert answer["Location"] == f"/support/tickets/{ticket.ticket_no}/"
    assert (ticket.topic, ticket.refund, ticket.order) == (Topic.REFUND, refund, refund.order)
    question, said = ticket.messages.order_by("pk")
    assert (question.voice, question.text) == (Voice.BUYER, "我的退款到哪了")
    assert (said.voice, said.author) == (Voice.ASSISTANT, None)
    assert refund.refund_no in said.text


def test_every_question_can_be_tapped_and_the_human_is_always_there(reviewed, browse, buyer):
    refund, browser = reviewed(), browse(buyer)
    for intent in Intent:
        page = text(browser.get("/support/assistant/", {"refund": refund.refund_no, "ask": intent.value}))
        assert "转人工" in page
        assert refund.refund_no in page
    assert "没有听懂" in text(browser.get("/support/assistant/", {"refund": refund.refund_no, "q": "天气"}))
    assert "/support/tickets/new/" in text(browser.get("/support/assistant/"))


def test_anothers_case_is_not_answered_about(reviewed, browse, stranger):
    refund = reviewed()
    browser = browse(stranger)
    for number in (refund.refund_no, "R0", "\0", "x" * 300):
        assert browser.get("/support/assistant/", {"refund": number, "ask": "progress"}).status_code == 404
        assert browser.post("/support/assistant/", {"refund": number, "ask": "progress"}).status_code == 404
    assert refund.refund_no not in text(browser.get("/support/assistant/"))


def test_blanks_that_nobody_sees_are_no_question(browse, buyer):
    """A person gets the usual words, and not an empty ticket."""
    answer = browse(buyer).post("/support/assistant/", {"q": "\0\u200b"}, follow=True)
    assert "请人工客服帮助" in text(answer)


def test_too_many_open_tickets_are_told_on_the_list(browse, buyer, open_ticket):
    for n in range(tickets.MOST_OPEN):
        open_ticket(f"第 {n} 问")
    answer = browse(buyer).post("/support/assistant/", {"ask": "human"}, follow=True)
    assert "还没有关闭" in text(answer)
