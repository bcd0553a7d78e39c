"""Providers of short messages, against real local servers that check what they are sent, by the published rules."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

import asking
from notices import channels, sending
from notices.channels import Message, SendFailed
from notices.channels.tencent_sms import TencentSms
from notices.channels.wechat import AccountNotices, SubscriptionMessages
from notices.models import NoticeDelivery
from tests.notices.conftest import NOON, PHONE

MESSAGE = Message(
    "notice-7-sms", PHONE, "…", "zh-hans", template="refund", values={"tail": "001234", "brief": "未通过"}
)
KEYS = {
    "secret_id": "AKIDexample",
    "secret_key": "Gu5t9xGARNpq86cd98joQYCN3example",
    "region": "ap-guangzhou",
    "app_id": "1400006666",
    "sign_name": "卡盟",
    "templates": {"refund": "1110", "refund_en": "1120", "code": "1112"},
}
OK = {"SendStatusSet": [{"SerialNo": "5000:1045", "PhoneNumber": PHONE, "Code": "Ok", "Message": "send success"}]}


@pytest.fixture
def tencent(provider, settings):
    """Checks the signature as the document says it is made, from what came over the wire."""
    settings.SMS_TENCENT = KEYS | {"gateway": provider.address}
    provider.says = OK

    def answer(asked):
        fault = _fault(asked)
        said = {"Error": {"Code": "AuthFailure.SignatureFailure", "Message": fault}} if fault else provider.says
        return 200, {"Response": said | {"RequestId": "1"}}

    provider.answer = answer
    return provider


def _fault(asked) -> str:
    at = int(asked.headers["x-tc-timestamp"])
    day = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
    digest = hashlib.sha256(asked.body).hexdigest()
    signed = f"content-type:{asked.headers['content-type']}\nhost:{asked.headers['host']}\n"
    request = f"POST\n{asked.path}\n\n{signed}\ncontent-type;host\n{digest}"
    text = f"TC3-HMAC-SHA256\n{at}\n{day}/sms/tc3_request\n{hashlib.sha256(request.encode()).hexdigest()}"
    date_key = hmac.new(f"TC3{KEYS['secret_key']}".encode(), day.encode(), hashlib.sha256).digest()
    service_key = hmac.new(date_key, b"sms", hashlib.sha256).digest()
    signing_key = hmac.new(service_key, b"tc3_request", hashlib.sha256).digest()
    signature = hmac.new(signing_key, text.encode(), hashlib.sha256).hexdigest()
    expected = (
        f"TC3-HMAC-SHA256 Credential={KEYS['secret_id']}/{day}/sms/tc3_request,"
        f" SignedHeaders=content-type;host, Signature={signature}"
    )
    known = [asked.headers["x-tc-action"], asked.headers["x-tc-version"], asked.headers["x-tc-region"]]
    if known != ["SendSms", "2021-01-11", "ap-guangzhou"] or abs(at - datetime.now(UTC).timestamp()) > 300:
        return "headers"
    return "" if asked.headers["authorization"] == expected else "signature"


def test_an_sms_is_signed_and_holds_the_approved_template(tencent):
    assert TencentSms().send(MESSAGE) == "5000:1045"
    (asked,) = tencent.asked
    assert asked.said == {
        "PhoneNumberSet": [PHONE],
        "SmsSdkAppId": "1400006666",
        "SignName": "卡盟",
        "TemplateId": "1110",
        "TemplateParamSet": ["001234", "未通过"],
        "SessionContext": "notice-7-sms",
    }


def test_a_wrong_key_is_no_final_answer(tencent, settings):
    settings.SMS_TENCENT = settings.SMS_TENCENT | {"secret_key": "another"}
    with pytest.raises(SendFailed) as refusal:
        TencentSms().send(MESSAGE)
    assert (refusal.value.code, refusal.value.is_final) == ("AuthFailure.SignatureFailure", False)


@pytest.mark.parametrize(
    ("code", "is_final"),
    [
        ("FailedOperation.PhoneNumberInBlacklist", True),
        ("InvalidParameterValue.IncorrectPhoneNumber", True),
        ("LimitExceeded.PhoneNumberDailyLimit", False),
        ("FailedOperation.InsufficientBalanceInSmsPackage", False),
    ],
)
def test_what_is_wrong_with_one_number(tencent, code, is_final):
    tencent.says = {"SendStatusSet": [OK["SendStatusSet"][0] | {"Code": code, "SerialNo": ""}]}
    with pytest.raises(SendFailed) as refusal:
        TencentSms().send(MESSAGE)
    assert (refusal.value.code, refusal.value.is_final) == (code, is_final)


@pytest.mark.parametrize("said", [(502, "bad gateway"), (200, {"Response": {}}), (200, [1]), (200, {"Response": None})])
def test_odd_answers_are_no_yes(tencent, said):
    tencent.answer = lambda asked: said
    with pytest.raises(SendFailed, match=f"http_{said[0]}"):
        TencentSms().send(MESSAGE)


def test_nobody_answers(settings):
    settings.SMS_TENCENT = KEYS | {"gateway": "http://127.0.0.1:1"}
    with pytest.raises(SendFailed, match="no_answer"):
        TencentSms().send(MESSAGE)


@pytest.mark.django_db
def test_from_the_notice_to_the_phone(tencent, settings, tell, chooses):
    settings.SMS_PROVIDER = "tencent"
    chooses(chosen=["refunds:sms"])
    tell("refund_reject")
    sending.sweep(at=NOON)
    row = NoticeDelivery.objects.get()
    assert (row.status, row.provider_number) == ("sent", "5000:1045")
    assert json.loads(tencent.asked[0].body)["TemplateParamSet"] == ["001234", "未通过"]


@pytest.mark.django_db
def test_without_a_provider_the_channel_is_not_there(settings, tell, chooses):
    settings.SMS_PROVIDER = ""
    assert not channels.is_offered("sms")
    chooses(chosen=["refunds:sms"])
    tell("refund_reject")
    assert not NoticeDelivery.objects.exists()


# --- WeChat -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def wechat(provider, settings):
    """Gives tokens, and takes messages with the token that is good."""
    settings.WECHAT_MESSAGES = {
        "gateway": provider.address,
        "appid": "wx-mini",
        "secret": "mini-secret",
        "templates": {"refund": "tpl-1"},
        "fields": {"tail": "character_string1", "brief": "thing2"},
    }
    provider.good, provider.says = "token-1", {"errcode": 0, "errmsg": "ok", "msgid": 42}
    provider.door = "send"

    def answer(asked):
        if asked.path == "/cgi-bin/stable_token":
            keys = {"grant_type": "client_credential", "appid": "wx-mini", "secret": "mini-secret"}
            good = asked.said == keys
            return 200, {"access_token": provider.good, "expires_in": 7200} if good else {"errcode": 40125}
        if asked.path != f"/cgi-bin/message/subscribe/{provider.door}?access_token={provider.good}":
            return 200, {"errcode": 40001, "errmsg": "invalid credential"}
        return 200, provider.says

    provider.answer = answer
    return provider


WORD = Message("notice-7-wechat", "o-reader", "…", "zh-hans", template="refund", values=MESSAGE.values)


def test_a_subscription_message_takes_one_token_for_many(wechat):
    sender = SubscriptionMessages()
    assert [sender.send(WORD), sender.send(WORD)] == ["42", "42"]
    token, first, second = wechat.asked
    assert token.path == "/cgi-bin/stable_token"
    assert (
        first.said
        == second.said
        == {
            "touser": "o-reader",
            "template_id": "tpl-1",
            "data": {"character_string1": {"value": "001234"}, "thing2": {"value": "未通过"}},
            "miniprogram_state": "formal",
            "lang": "zh_CN",
        }
    )


def test_an_official_account_has_a_door_of_its_own(wechat):
    """订阅通知 names no mini program, and leads nowhere: links stand in letters alone."""
    wechat.door = "bizsend"
    assert AccountNotices().send(WORD) == "42"
    assert wechat.asked[-1].said == {
        "touser": "o-reader",
        "template_id": "tpl-1",
        "data": {"character_string1": {"value": "001234"}, "thing2": {"value": "未通过"}},
    }


def test_a_token_that_is_no_longer_good_is_fetched_anew(wechat):
    sender = SubscriptionMessages()
    sender.send(WORD)
    wechat.good = "token-2"
    assert sender.send(WORD) == "42"
    assert [asked.path.partition("?")[0].rsplit("/", 1)[-1] for asked in wechat.asked] == [
        "stable_token", "send", "send", "stable_token", "send",
    ]  # fmt: skip


@pytest.mark.parametrize(("errcode", "is_final"), [(43101, True), (40003, True), (47003, False), (-1, False)])
def test_who_did_not_subscribe_gets_none(wechat, errcode, is_final):
    wechat.says = {"errcode": errcode, "errmsg": "…"}
    with pytest.raises(SendFailed) as refusal:
        SubscriptionMessages().send(WORD)
    assert (refusal.value.code, refusal.value.is_final) == (f"wechat_{errcode}", is_final)


def test_an_error_names_neither_token_nor_secret(wechat, caplog):
    wechat.answer = lambda asked: (500, "token-1 mini-secret")
    with pytest.raises(SendFailed) as refusal:
        SubscriptionMessages().send(WORD)
    assert "mini-secret" not in repr(refusal.value) + caplog.text


@pytest.mark.django_db
def test_a_bug_in_a_provider_is_one_more_failure(settings, tell, chooses):
    settings.SMS_PROVIDER = f"{__name__}.Broken"
    chooses(chosen=["refunds:sms"])
    tell("refund_reject")
    sending.sweep(at=NOON)
    row = NoticeDelivery.objects.get()
    assert (row.status, row.last_error, row.next_due_at) == ("waiting", "unexpected", NOON + timedelta(seconds=30))


class Broken:
    def send(self, message: Message) -> str:
        asking.demand_no_transaction()
        raise ZeroDivisionError
