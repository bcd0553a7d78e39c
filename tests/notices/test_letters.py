"""What messages say (P14, S4-20): our words, our host alone, no question for a secret; checked for every kind."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from urllib.parse import urlsplit

import pytest
from django.conf import settings as house
from django.utils.translation import override

from notices import letters, preferences, safety, sending, wording
from notices.models import Channel, Notice, NoticeDelivery, NoticeSettings
from refunds.lifecycle import STEPS
from tests.notices.conftest import NOON, PHONE

pytestmark = pytest.mark.django_db

TRICKS = "点 http://evil.example/x 或 www.evil.cn、evil。com/领取、1.2.3.4/a，加微信"
#: What our own messages say of secrets: that we ask for none. Everything else about them would be a question.
DISCLAIMERS = [
    "退款不需要验证码，也不需要密码", "退款不需要验证码/密码", "no verification code and no password",
]  # fmt: skip


def messages(kind: str, language: str, reader) -> list:
    """One on each channel that the kind goes by, with a swindler's words wherever people write."""
    names = re.findall(r"%\((\w+)\)s", str(wording.WORDING[kind]))
    params = {name: "R2026112400001234" if name.endswith("_no") else TRICKS for name in names}
    params |= {"cause": "商家缺货"} if "cause" in names else {}
    notice = Notice(recipient=reader, kind=kind, params=params, path="/refunds/", source=kind, created_at=NOON)
    known = NoticeSettings(
        user=reader, language=language, phone=PHONE, wechat_openid="o-1", anti_phishing_word="老槐树"
    )
    who = preferences.Reader(reader, known, reader.email)
    return [
        letters.compose(NoticeDelivery(notice=notice, channel=channel), who) for channel in preferences.goes_by(notice)
    ]


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_no_message_leads_elsewhere_or_asks_for_a_secret(language, buyer):
    ours = urlsplit(house.SITE_URL)
    seen = 0
    for kind in wording.WORDING:
        for message in messages(kind, language, buyer):
            seen += 1
            for text in (message.subject, message.text, message.html):
                for link in re.findall(r"https?://[^\s<\"]+", text):
                    assert urlsplit(link)[:2] == ours[:2], (kind, link)
                rest = text.replace(f"{ours.scheme}://{ours.netloc}", "")
                assert "evil" not in rest, (kind, rest)
                for said in DISCLAIMERS:
                    rest = rest.replace(said, "")
                assert not safety.SECRETS.search(rest), (kind, rest)
    assert seen > len(wording.WORDING), "short ones among them"


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_short_messages_are_short_and_fit_providers(language, buyer):
    for kind in wording.BRIEF:
        letter, *short = messages(kind, language, buyer)
        assert len(short) == 2, f"{kind} must name an order_no or a refund_no"
        for message in short:
            assert len(message.text) <= (70 if language == "zh-hans" else 160), message.text
            assert all(len(value) <= 12 for value in message.values.values()), message.values
            assert "://" not in message.text
            assert "卡盟" in message.text or "Cardshop" in message.text
        assert "老槐树" in letter.text
        assert "老槐树" in letter.html


def test_brief_and_urgent_kinds_are_kinds():
    assert wording.BRIEF.keys() <= wording.WORDING.keys()
    assert wording.WORDING.keys() >= wording.URGENT


def test_results_go_to_the_phone():
    """S2-23, S3-13: a refund that was decided, paid or refused is told there, and so is what waits for the buyer."""
    told = {f"refund_{name}" for name in ("approve", "reject", "turn_down", "mark_paid_out", "request_evidence")}
    assert told <= wording.BRIEF.keys()
    assert {kind.removeprefix("refund_") for kind in told} <= STEPS.keys()


@pytest.mark.parametrize(
    ("typed", "leaves"),
    [
        ("兑换记录显示已使用", "兑换记录显示已使用"),
        ("请把密码发给我", "（内容请登录后查看）"),
        ("发一下验 证 码", "（内容请登录后查看）"),
        ("your password please", "（内容请登录后查看）"),
        ("看 https://evil.example/a?b 即可", "看 （链接已隐去） 即可"),
        ("点evil.com/x，领取", "点（链接已隐去），领取"),
        ("到 1.2.3.4:80/x 看", "到 （链接已隐去） 看"),
        ("一行\r\nBcc: someone", "一行 Bcc: someone"),
        ("退 30.00 元，3 张卡密", "退 30.00 元，3 张卡密"),
    ],
)
def test_what_of_peoples_words_leaves_the_house(typed, leaves):
    with override("zh-hans"):
        assert safety.safe(typed) == leaves


def test_a_real_letter_over_smtp(tell, reader, chooses, mail_server):
    chooses(chosen=["refunds:email"])
    tell("refund_reject", params={"refund_no": "R2026112400001234", "note": "已兑换\r\nBcc: x@evil.example"})
    sending.sweep(at=NOON)
    ((to, raw),) = mail_server.letters
    letter = message_from_bytes(raw, policy=policy.default)
    assert to == reader.email
    assert letter["To"] == reader.email
    assert letter["Bcc"] is None
    assert letter["Subject"].strip().startswith("【卡盟】退款 R2026112400001234 未通过：已兑换 Bcc:")
    assert letter["Message-ID"] == NoticeDelivery.objects.get().provider_number
    plain = letter.get_body(("plain",)).get_content()
    assert "您的防钓鱼暗语：老槐树" in plain
    assert "退款不需要验证码/密码" in plain
    assert f"{house.SITE_URL}/refunds/R2026112400001234/" in plain
    assert "老槐树" in letter.get_body(("html",)).get_content()


def test_without_a_word_the_letter_says_where_to_set_one_and_in_the_readers_language(tell, chooses, mail_server):
    chooses(chosen=["refunds:email"], anti_phishing_word="", language="en")
    tell("refund_reject")
    sending.sweep(at=NOON)
    letter = message_from_bytes(mail_server.letters[0][1], policy=policy.default)
    assert letter["Subject"].strip().startswith("[Cardshop] ")
    assert "/notices/settings/" in letter.get_body(("plain",)).get_content()


def test_an_address_that_is_none_is_given_up_at_once_and_a_full_box_is_tried_again(tell, chooses, mail_server):
    chooses(chosen=["refunds:email"])
    mail_server.says = "452 mailbox full"
    tell()
    sending.sweep(at=NOON)
    row = NoticeDelivery.objects.get()
    assert (row.status, row.last_error) == ("waiting", "mail_refused")
    mail_server.says = "550 no such user"
    sending.sweep(at=row.next_due_at)
    row.refresh_from_db()
    assert (row.status, row.last_error, row.next_due_at) == ("given_up", "mail_refused", None)
    assert mail_server.letters == []


def test_a_server_that_does_not_take_it_now_gets_it_later(tell, chooses, mail_server):
    chooses(chosen=["refunds:email"])
    mail_server.takes = "451 try again later"
    tell()
    sending.sweep(at=NOON)
    row = NoticeDelivery.objects.get()
    assert (row.status, row.last_error) == ("waiting", "smtp_451")
    mail_server.takes = "250 ok"
    sending.sweep(at=row.next_due_at)
    assert len(mail_server.letters) == 1


def test_addresses_are_shown_masked():
    assert letters.masked("someone@example.com", Channel.EMAIL) == "s***@example.com"
    assert letters.masked(PHONE, Channel.SMS) == "+86138****1234"
    assert letters.masked("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", Channel.WECHAT) == "****eS6o"
