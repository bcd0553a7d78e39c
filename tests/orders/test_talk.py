"""Buyer and shop talk on the order: on record for good, without codes, with scams marked (S4-27, PM16, S4-20, P14)."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

import clock
from accounts import agents
from notices import wording
from notices.models import Notice
from orders import placing, talk, transcript
from orders.models import Call, OrderMessage, Side
from orders.placing import Wish
from orders.talk import MOST_AN_HOUR, WARNINGS, CannotSpeak
from refunds import lifecycle
from shops import people, vault
from shops.models import ShopRole
from shops.stock import add
from tests.cast import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(buy):
    return buy()


def test_each_side_is_who_it_is(order, buyer, merchant, reviewer):
    sides = [talk.say(order, "您好", by=by, at=clock.now()).side for by in (buyer, merchant, reviewer)]
    assert sides == [Side.BUYER, Side.SHOP, Side.PLATFORM]
    assert [said.text for said in talk.of(order)] == ["您好"] * 3


def test_nobody_else_speaks(order, stranger):
    rival = person("rival", "merchant")
    for nobody in (stranger, rival):
        with pytest.raises(CannotSpeak) as refusal:
            talk.say(order, "您好", by=nobody, at=clock.now())
        assert refusal.value.code == "not_yours"
    assert not OrderMessage.objects.exists()


def test_what_was_said_stays(order, merchant):
    """S4-7: who decides reads what the shop had promised."""
    talk.say(order, "今晚八点前一定到", by=merchant, at=clock.now())
    for change in (lambda: OrderMessage.objects.update(text="没说过"), lambda: OrderMessage.objects.all().delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


@pytest.mark.parametrize(
    ("text", "code"),
    [(" \n ", "empty"), ("长" * 1001, "too_long"), ("\0", "empty"), ("\u200b\u2060", "empty"), ("\u202e", "empty")],
)
def test_nothing_and_too_much_are_refused(order, buyer, text, code):
    with pytest.raises(CannotSpeak) as refusal:
        talk.say(order, text, by=buyer, at=clock.now())
    assert refusal.value.code == code


def test_an_author_speaks_so_often_in_an_hour_on_all_orders_together(buy, buyer):
    at = clock.now()
    first, second = buy(), buy()
    for n in range(MOST_AN_HOUR):
        talk.say(first if n % 2 else second, f"第 {n} 句", by=buyer, at=at + timedelta(minutes=n))
    with pytest.raises(CannotSpeak) as refusal:
        talk.say(first, "再说一句", by=buyer, at=at + timedelta(minutes=30))
    assert refusal.value.code == "too_often"
    talk.say(first, "一小时后", by=buyer, at=at + timedelta(minutes=61))


# --- notices ----------------------------------------------------------------------------------------------------------


def test_the_other_side_hears_once_until_it_reads(order, buyer, merchant):
    for n in range(3):
        talk.say(order, f"在吗 {n}", by=buyer, at=clock.now())
    notice = Notice.objects.get(kind=talk.NOTICE)
    assert (notice.recipient, notice.path) == (merchant, f"/shop/orders/{order.order_no}/")
    assert order.order_no in wording.text(notice.kind, notice.params)
    Notice.objects.update(read_at=clock.now())
    talk.say(order, "还在吗", by=buyer, at=clock.now())
    assert Notice.objects.filter(kind=talk.NOTICE).count() == 2
    talk.say(order, "在", by=merchant, at=clock.now())
    assert Notice.objects.get(kind=talk.NOTICE, recipient=buyer).path == f"/orders/{order.order_no}/"


def test_the_platform_speaks_to_both_and_clerks_hear_too(order, buyer, merchant, reviewer, stranger):
    people.add(order.shop, "stranger", ShopRole.CLERK, by=merchant, at=clock.now())
    talk.say(order, "请双方补充说明", by=reviewer, at=clock.now())
    heard = set(Notice.objects.filter(kind=talk.NOTICE).values_list("recipient__username", flat=True))
    assert heard == {"buyer", "merchant", "stranger"}


# --- codes ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def bought(buyer, make_product, pay):
    """An order of one code with this text: ``bought("AB12-cd")``."""

    def build(text):
        product = make_product(stock=0)
        add(product, [text], at=clock.now())
        placed = placing.place(product, Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())
        return pay(placed)

    return build


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("abc9", "卡密是abc9，用不了"),
        ("abc9", "卡密是 ABC9 ！"),
        ("XY7-QK2", "xy7-qk2"),
        ("XY7-QK2", "XY7 QK2"),
        ("XY7-QK2", "我收到 XY7QK2 了"),
        ("XY7-QK2", "ＸＹ７－ＱＫ２"),
        ("XY7-QK2", "XY7\u200b-QK2"),
        ("XY7QK2", "X Y 7 Q K 2"),
        ("XY7QK2", "XY7\nQK2"),
        ("p@ss!", "密码 p@ss! 不对"),
        ("小明----p@ss", "小明----p@ss"),
        ("hello", "hello world"),
    ],
)
def test_this_orders_codes_are_masked_however_they_are_written(bought, buyer, code, written):
    said = talk.say(bought(code), written, by=buyer, at=clock.now()).text
    letters = "".join(letter for letter in code.lower() if letter.isalnum())
    kept = "".join(letter for letter in said.lower() if letter.isalnum())
    assert talk.masking.MASK in said
    assert letters not in kept


def test_a_code_is_not_written_backwards_behind_a_mark_that_turns_it_around(order, buyer):
    """What is shown is what is searched for codes: without the mark it is no code, for readers either (PM16)."""
    for mark in ("\u202e", "\u2067"):
        said = talk.say(order, f"码 {mark}SRAW", by=buyer, at=clock.now())
        assert said.text == "码 SRAW"


def test_the_words_around_a_code_stay(bought, buyer):
    said = talk.say(bought("XY7QK2"), "您好，卡密 XY7QK2 用不了\n请换一张", by=buyer, at=clock.now()).text
    assert said == f"您好，卡密 {talk.masking.MASK} 用不了\n请换一张"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("别家的 7K9QWERT2M4X 怎么用", "别家的 ••••4X 怎么用"),
        ("ABCD-1234-EFGH-5678", "••••78"),
        ("abcd1234-ef56-7890-abcd-ef1234567890", "••••90"),
        ("ABCD 1234 EFGH 5678 呢", "••••78 呢"),
        ("6222021234567890123", "••••23"),
        ("请在 2026-11-22 20:30 前处理，共 12 张", "请在 2026-11-22 20:30 前处理，共 12 张"),
        ("the international recommendation", "the international recommendation"),
        ("我的手机 13800001234", "我的手机 13800001234"),
        ("退款单 R7K2M9QWERT2M4X", "退款单 R7K2M9QWERT2M4X"),
    ],
)
def test_what_looks_like_a_code_is_masked_and_plain_words_are_not(order, buyer, written, kept):
    assert talk.say(order, written, by=buyer, at=clock.now()).text == kept


def test_the_orders_own_number_stays(order, buyer):
    assert order.order_no in talk.say(order, f"订单 {order.order_no} 没到", by=buyer, at=clock.now()).text


def test_a_long_hostile_message_is_masked_in_little_time_and_space(order, buyer):
    text = "a1 " * 333
    assert len(talk.say(order, text, by=buyer, at=clock.now()).text) <= talk.LONGEST


# --- warnings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("看 https://evil.example/x", ["link"]),
        ("去 taobao.com 拍", ["link"]),
        ("ｗｗｗ.ｅｖｉｌ.ｃｏｍ", ["link"]),
        ("打 138 0000 1234", ["phone"]),
        ("加我微信 abc12345", ["contact"]),
        ("QQ：123456789", ["contact"]),
        ("把短信验证码发给我", ["secret"]),
        ("请提供登录密码", ["secret"]),
        ("please send me the SMS code", ["secret"]),
        ("私下转账给你优惠", ["pay_outside"]),
        ("扫这个收款码付款", ["pay_outside"]),
        ("您好，密码错误，进不去", []),
        ("已充值，请查收", []),
        ("11.22 晚 8.30 到，价格 12.50 元", []),
    ],
)
def test_what_smells_of_a_scam_is_marked(order, merchant, text, keys):
    assert talk.say(order, text, by=merchant, at=clock.now()).warnings == keys


def test_our_own_pages_are_no_outside_link(order, merchant, settings):
    text = f"见 {settings.SITE_URL}/orders/{order.order_no}/"
    assert talk.say(order, text, by=merchant, at=clock.now()).warnings == []


def test_every_warning_has_its_sentence_and_its_smell():
    assert set(WARNINGS) == set(talk.SMELLS) | {"link"}


# --- codes in parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "said", "kept"),
    [
        ("XY7-QK2", ["XY7-", "QK2"], "••••"),
        ("XY7QK2", ["卡密前半是 xy7", "后半是 qk2，谢谢"], "后半是 ••••，谢谢"),
        ("XY7QK2", ["the first half: XY7 ok", "the second half: QK2 ok"], "the second half: •••• ok"),
        ("XY7QK2", ["后半 QK2", "前半 XY7"], "前半 ••••"),
        ("XY7QK2", ["XY", "7Q", "K2"], "••••"),
        ("ABCD-1234-EFGH-5678", ["first ABCD-1234 then", "this EFGH-5678 is it"], "this ••••78 is it"),
        ("p@ss!", ["p@", "ss!"], "••••"),
    ],
)
def test_of_a_code_in_parts_the_last_part_is_masked(bought, buyer, code, said, kept):
    order, at = bought(code), clock.now()
    for part in said:
        last = talk.say(order, part, by=buyer, at=at)
    assert last.text == kept
    assert [each.text for each in talk.of(order)][:-1] == said[:-1], "what was said before stands"


def test_others_words_and_words_of_long_ago_are_no_part_of_it(bought, buyer, merchant):
    order, at = bought("XY7QK2"), clock.now()
    talk.say(order, "XY7", by=buyer, at=at)
    assert talk.say(order, "QK2", by=merchant, at=at).text == "QK2"
    assert talk.say(order, "QK2", by=buyer, at=at + talk.TOGETHER_WITHIN + timedelta(seconds=1)).text == "QK2"


def test_two_messages_that_make_no_code_stay(bought, buyer):
    order, at = bought("XY7QK2"), clock.now()
    for words in ("XY7 打不开", "QK3 也打不开，共 2 张"):
        assert talk.say(order, words, by=buyer, at=at).text == words


def test_many_hostile_words_after_each_other_are_tried_within_bounds(bought, buyer, monkeypatch):
    """Counted rather than timed: what is tried grows with neither side's length beyond its bound."""
    tried = []
    of_code = vault.Keyring.fingerprint
    monkeypatch.setattr(vault.Keyring, "fingerprint", lambda ring, text: tried.append(text) or of_code(ring, text))
    order, at = bought("XY7QK2"), clock.now()
    counts = []
    for _ in range(talk.MOST_TOGETHER + 2):
        before = len(tried)
        talk.say(order, "".join(f"{number:x} " for number in range(4096, 4290)), by=buyer, at=at)
        counts.append(len(tried) - before)
    assert max(counts) < 3 * counts[0]


# --- staff ------------------------------------------------------------------------------------------------------------


def test_staff_write_no_code_of_the_order_either(bought, buyer, reviewer, apply, reveal):
    """PM16: neither as a message nor as a note on a case, where a bank's number stays."""
    order = bought("XY7-QK2")
    written = "卡密 XY7QK2，渠道流水 4200001234202611220000001"
    assert "XY7QK2" not in talk.say(order, written, by=reviewer, at=clock.now()).text
    kept = "卡密 ••••，渠道流水 4200001234202611220000001"
    reveal(order)
    case = apply(order)
    lifecycle.request_evidence([case], by=reviewer, at=clock.now(), note=written)
    case.refresh_from_db()
    assert case.evidence_request == kept
    assert case.events.get(step="request_evidence").note == kept
    assert kept in str(Notice.objects.filter(recipient=buyer).latest("pk").params)


# --- one thread, three sides ------------------------------------------------------------------------------------------


def test_everybody_is_called_by_side_and_an_agent_by_number(order, buyer, merchant, reviewer):
    """S1-26: no account is named, and the number is the person's for good."""
    for by in (buyer, merchant, reviewer):
        talk.say(order, "您好", by=by, at=clock.now())
    number = agents.number_of(reviewer.pk)
    assert [said.name for said in talk.read(order).said] == ["买家", "商家", f"客服 工号 {number}"]
    assert agents.at_work(number) == reviewer
    assert agents.read(f"客服 工号：{number}") == number
    assert agents.at_work(agents.number_of(buyer.pk)) is None


def test_who_may_not_speak_for_the_platform_is_silent(order, finance, reviewer, stranger):
    """Finance reads an order; it speaks to nobody. Whoever bought it is its buyer, whatever their job (I10)."""
    with pytest.raises(CannotSpeak):
        talk.say(order, "您好", by=finance, at=clock.now())
    order.buyer = reviewer
    order.save()
    assert talk.say(order, "我是买家", by=reviewer, at=clock.now()).side == Side.BUYER
    for act in (talk.answer, lambda *words, **rest: talk.log_call(
        *words, call=Call.TO_BUYER, called_at=clock.now() - timedelta(minutes=5), **rest
    )):  # fmt: skip
        for nobody in (reviewer, stranger):
            with pytest.raises(CannotSpeak) as refusal:
                act(order, "以客服身份", by=nobody, at=clock.now())
            assert refusal.value.code == "not_yours"


@pytest.mark.parametrize("text", ["看 https://evil.example/x", "打 13800001234", "加我微信 abc12345"])
def test_the_platform_itself_never_sends_a_link_a_phone_number_or_an_account(order, reviewer, text):
    """P14: so whatever holds one is not ours, and one can say so without looking."""
    with pytest.raises(CannotSpeak) as refusal:
        talk.say(order, text, by=reviewer, at=clock.now())
    assert refusal.value.code == "not_ours"
    assert not OrderMessage.objects.exists()


def test_an_agent_answers_more_often_than_others_may(buy, reviewer):
    order, at = buy(), clock.now()
    for n in range(MOST_AN_HOUR + 1):
        talk.answer(order, f"答复 {n}", by=reviewer, at=at)


def test_a_long_talk_is_read_page_by_page_in_one_query_each(order, buyer, django_assert_num_queries):
    """Also where two messages were written at one moment; a bad mark shows the end."""
    at = clock.now()
    OrderMessage.objects.bulk_create(
        OrderMessage(order=order, author=buyer, side="buyer", text=f"第 {n} 句", at=at) for n in range(7)
    )
    pages, mark = [], ""
    for _ in range(3):
        with django_assert_num_queries(1):
            page = talk.read(order, before=mark, most=3)
        pages.append([said.message.text for said in page.said])
        mark = page.earlier
    assert pages == [["第 4 句", "第 5 句", "第 6 句"], ["第 1 句", "第 2 句", "第 3 句"], ["第 0 句"]]
    assert mark == ""
    for bad in ("x", "-1", "9" * 30, "١"):
        assert talk.read(order, before=bad, most=3).said[-1].message.text == "第 6 句"


# --- telephone --------------------------------------------------------------------------------------------------------


def test_a_call_is_noted_in_the_thread_for_both_to_read(order, buyer, merchant, reviewer):
    """A note of what was said on the telephone binds as a message does, so both sides read it, and it stays."""
    at = clock.now()
    note = talk.log_call(
        order, "买家说卡密打不开，已请其上传截图", call=Call.FROM_BUYER, called_at=at - timedelta(minutes=10),
        by=reviewer, at=at,
    )  # fmt: skip
    (said,) = talk.read(order).said
    assert (said.message.call, said.message.side) == (Call.FROM_BUYER, Side.PLATFORM)
    assert set(Notice.objects.filter(kind=talk.NOTICE).values_list("recipient", flat=True)) == {buyer.pk, merchant.pk}
    assert "买家来电" in transcript.of(order, at=at)
    for change in ({"text": "没说过"}, {"called_at": at}, {"call": "to_buyer"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            OrderMessage.objects.filter(pk=note.pk).update(**change)


def test_a_call_of_the_future_was_not_made(order, reviewer):
    at = clock.now()
    with pytest.raises(CannotSpeak) as refusal:
        talk.log_call(order, "说", call=Call.TO_SHOP, called_at=at + timedelta(minutes=1), by=reviewer, at=at)
    assert refusal.value.code == "not_yet"


# --- export -----------------------------------------------------------------------------------------------------------


def test_the_talk_is_exported_with_time_speaker_number_words_and_warnings(bought, buyer, merchant, reviewer):
    """S1-26, PM16."""
    order, at = bought("XY7QK2"), clock.now()
    talk.say(order, "卡密 XY7QK2 用不了", by=buyer, at=at)
    talk.say(order, "私下转账给你", by=merchant, at=at)
    last = talk.answer(order, "请勿站外付款", by=reviewer, at=at)
    told = transcript.of(order, at=at)
    assert order.order_no in told
    assert "XY7QK2" not in told
    assert "卡密 •••• 用不了" in told
    assert str(WARNINGS["pay_outside"]) in told
    assert f"] {talk.number_of(last)} 客服 工号 {agents.number_of(reviewer.pk)}\n    请勿站外付款" in told
    assert "buyer" not in told
    assert "reviewer" not in told


def test_nobody_writes_a_line_that_looks_like_the_next_speakers(order, buyer):
    forged = "[2026-11-22 12:00:00] M900 客服 工号 1001"
    for end in ("\n", "\r", "\u2028", "\x0b", "\x85"):
        talk.say(order, f"好{end}{forged}{end}同意退款", by=buyer, at=clock.now())
    told = transcript.of(order, at=clock.now())
    assert not [line for line in told.splitlines() if line.startswith(forged)]
    assert told.splitlines().count(f"    {forged}") == 5


def test_the_file_is_there_for_buyer_shop_and_staff_and_for_nobody_else(order, buyer, merchant, finance, stranger):
    talk.say(order, "您好", by=buyer, at=clock.now())
    rival = person("rival", "merchant")
    for reader, status in ((buyer, 200), (merchant, 200), (finance, 200), (stranger, 404), (rival, 404)):
        browser = Client()
        browser.force_login(reader, backend="django.contrib.auth.backends.ModelBackend")
        answer = browser.get(f"/orders/{order.order_no}/talk.txt")
        assert answer.status_code == status, reader
        if status == 200:
            assert answer["Content-Type"] == "text/plain; charset=utf-8"
            assert "您好" in answer.content.decode()


def test_a_buyer_reads_and_speaks_on_the_page_of_the_refund(buy, apply, buyer, reviewer):
    refund = apply(buy())
    talk.answer(refund.order, "请稍等，正在核对", by=reviewer, at=clock.now())
    browser = Client()
    browser.force_login(buyer, backend="django.contrib.auth.backends.ModelBackend")
    page = f"/refunds/{refund.refund_no}/"
    assert f"客服 工号 {agents.number_of(reviewer.pk)}" in browser.get(page).content.decode()
    sent = {"text": "好的", "case": refund.refund_no}
    assert browser.post(f"/orders/{refund.order.order_no}/talk/", sent)["Location"] == f"{page}#talk"
