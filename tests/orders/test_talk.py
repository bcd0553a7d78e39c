"""Buyer and shop talk on the order: on record for good, without codes, with scams marked (S4-27, PM16, S4-20, P14)."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction

import clock
from notices import wording
from notices.models import Notice
from orders import placing, talk
from orders.models import OrderMessage, Side
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
    talk.say(order, "今晚八点前一定到", by=merchant, at=clock.now())
    for change in (lambda: OrderMessage.objects.update(text="没说过"), lambda: OrderMessage.objects.all().delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


@pytest.mark.parametrize(("text", "code"), [(" \n ", "empty"), ("长" * 1001, "too_long"), ("\0", "empty")])
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
