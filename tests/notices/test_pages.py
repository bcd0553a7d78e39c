"""通知设置 and 这是我们发的吗: what the reader chooses is kept, checked and shown."""

from __future__ import annotations

from datetime import time

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from notices import preferences, sending
from notices.models import NoticeDelivery, NoticeSettings
from tests.cast import PASSWORD
from tests.notices.conftest import NOON, PHONE
from tests.storefront.conftest import words

pytestmark = pytest.mark.django_db

CHOSEN = {
    "chosen": ["refunds:email", "shop:sms"], "quiet_from": "23:00", "quiet_until": "07:30", "urgent_anyway": "on",
    "language": "en", "anti_phishing_word": " 老  槐树 ",
}  # fmt: skip


@pytest.fixture
def browser(reader) -> Client:
    client = Client()
    client.force_login(reader)
    return client


def test_choices_are_kept_and_shown(browser, reader):
    assert browser.post("/notices/settings/", CHOSEN).status_code == 302
    known = preferences.of(reader)
    assert known.chosen == ["refunds:email", "shop:sms"]
    assert (known.quiet_from, known.quiet_until, known.urgent_anyway) == (time(23), time(7, 30), True)
    assert (known.language, known.anti_phishing_word, known.phone) == ("en", "老 槐树", PHONE)
    page = browser.get("/notices/settings/").content.decode()
    assert page.count(" checked") == 3, "two channels and the urgent ones"
    assert "老 槐树" in words(browser.get("/notices/"))


def test_who_never_chose_has_the_usual(stranger):
    client = Client()
    client.force_login(stranger)
    page = client.get("/notices/settings/").content.decode()
    assert 'value="22:00"' in page
    assert 'value="08:00"' in page
    assert not NoticeSettings.objects.filter(user=stranger).exists(), "looking writes nothing"
    client.post("/notices/settings/", CHOSEN)
    assert preferences.of(stranger).chosen == ["refunds:email", "shop:sms"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("quiet_until", "", "开始和结束请都填，或都留空。"),
        ("quiet_until", "23:00", "开始和结束不能相同。"),
        ("anti_phishing_word", "x", "暗语至少 2 个字，不能是网址。"),
        ("anti_phishing_word", "www.evil.com", "暗语至少 2 个字，不能是网址。"),
        ("chosen", ["refunds:pigeon"], "refunds:pigeon"),
    ],
)
def test_what_makes_no_sense_is_said(browser, reader, field, value, said):
    answer = browser.post("/notices/settings/", CHOSEN | {field: value})
    assert answer.status_code == 200
    assert said in words(answer)
    assert preferences.of(reader).anti_phishing_word == "老槐树", "as before"


def test_the_word_is_not_the_password(browser, reader):
    reader.set_password("correct horse")
    reader.save()
    client = Client()
    client.force_login(reader)
    answer = client.post("/notices/settings/", CHOSEN | {"anti_phishing_word": "correct horse"})
    assert "这是您的登录密码" in words(answer)


def test_did_we_send_this(browser, tell, chooses):
    tell("refund_reject")
    while sending.sweep(at=NOON):
        pass
    tell("refund_approve")
    NoticeDelivery.objects.filter(status="waiting").update(status="given_up", next_due_at=None, last_error="mail_down")
    page = words(browser.get("/notices/sent/"))
    assert "邮件 · 2026-11-24 12:00 · b***@example.com" in page
    assert "短信 · 2026-11-24 12:00 · +86138****1234" in page
    assert page.count("未能送达") == 2, "never silently lost"
    assert "老槐树" in page


def test_the_page_of_what_was_sent_asks_no_more_for_more(browser, tell):
    tell()
    with CaptureQueriesContext(connection) as few:
        browser.get("/notices/sent/")
    for _ in range(4):
        tell()
    with CaptureQueriesContext(connection) as many:
        browser.get("/notices/sent/")
    assert len(many) == len(few)


def test_nobody_reads_what_others_were_sent(stranger, tell):
    tell("refund_reject")
    client = Client()
    client.force_login(stranger)
    assert "R2026112400001234" not in words(client.get("/notices/sent/"))


def test_a_session_left_behind_sets_no_phone(browser, reader):
    answer = browser.post("/notices/settings/phone/", {"phone": "13900000000"})
    assert "/accounts/reauthenticate/" in answer.headers["Location"]
    assert preferences.of(reader).phone == PHONE


def test_a_phone_is_added_on_its_page(stranger, caplog):
    caplog.set_level("INFO", "notices.channels.console")
    client = Client()
    client.force_login(stranger, backend="allauth.account.auth_backends.AuthenticationBackend")
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.post("/notices/settings/phone/", {"phone": "139 0000 0000"})
    assert "发到 +8613900000000 的 6 位数字" in words(client.get("/notices/settings/phone/"))
    code = caplog.records[-1].getMessage().partition("【卡盟】")[2][:6]
    client.post("/notices/settings/phone/", {"code": code})
    assert preferences.of(stranger).phone == "+8613900000000"
    client.post("/notices/settings/phone/", {"forget": "1"})
    assert preferences.of(stranger).phone == ""
