"""消费者投诉 2.0: what buyers complain of, what we answer, and that a telephone number stays sealed until needed."""

# ruff: noqa: F401, F811 - fixtures
from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from payments.gateways.base import GatewayError, NotificationKind, NotificationRefused, OutcomeUnknown
from payments.gateways.complaints import ComplainedPayment, ComplaintDesk, ComplaintState
from payments.gateways.wechat import Call, WechatGateway
from tests.gateways.test_wechat_notifications import Notice, say
from tests.gateways.wechat_channel import (
    MCHID,
    MERCHANT_KEY,
    NOW,
    STRANGERS_KEY,
    Channel,
    Reply,
    channel,
    credentials,
    gateway,
)

COMPLAINT = "200201820200101080076610000"
PHONE = "13900000000"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 100


def sealed(words: str) -> str:
    oaep = padding.OAEP(mgf=padding.MGF1(algorithm=hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
    return base64.b64encode(MERCHANT_KEY.public_key().encrypt(words.encode(), oaep)).decode()


BODY: dict[str, Any] = {
    "complaint_id": COMPLAINT,
    "complaint_time": "2026-11-20T10:34:56+08:00",
    "complaint_detail": "卡密无法使用，联系不上商家",
    "complaint_state": "PENDING",
    "payer_phone": sealed(PHONE),
    "payer_openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
    "complaint_order_info": [
        {"transaction_id": "4200000404201909069117582536", "out_trade_no": "P2026112000000001", "amount": 1999}
    ],
    "complaint_full_refunded": False,
    "incoming_user_response": True,
    "user_complaint_times": 2,
    "problem_type": "REFUND",
    "apply_refund_amount": 1000,
    "user_tag_list": ["TRUSTED", "HIGH_RISK"],
    "complaint_media_list": [
        {
            "media_type": "USER_COMPLAINT_IMAGE",
            "media_url": ["https://api.mch.weixin.qq.com/v3/merchant-service/images/ABC%2Fdef"],
        }
    ],
}
ENTRY = {
    "log_id": "300285320210322170000071077",
    "operator": "投诉人",
    "operate_time": "2026-11-20T10:35:00+08:00",
    "operate_type": "USER_CREATE_COMPLAINT",
    "operate_details": "卡密无法使用",
    "image_list": ["https://api.mch.weixin.qq.com/v3/merchant-service/images/xyz"],
}


def test_a_complaint_is_read_whole_and_its_buyer_is_not_shown(channel: Channel, desk: ComplaintDesk) -> None:
    channel.answers[Call.ASK_COMPLAINT] = Reply(200, BODY)
    complaint = desk.complaint(COMPLAINT)
    assert (complaint.state, complaint.times, complaint.apply_refund_fen) == (ComplaintState.PENDING, 2, 1000)
    assert complaint.payments == (ComplainedPayment("P2026112000000001", "4200000404201909069117582536", 1999),)
    assert complaint.complained_at == datetime(2026, 11, 20, 2, 34, 56, tzinfo=UTC)
    assert (complaint.wants_refund, complaint.awaits_reply, complaint.is_fully_refunded) == (True, True, False)
    assert complaint.tags == ("TRUSTED", "HIGH_RISK")
    assert complaint.detail == BODY["complaint_detail"]
    for secret in (BODY["complaint_detail"], BODY["payer_phone"], BODY["payer_openid"], "images", PHONE):
        assert secret not in repr(complaint)


def test_a_telephone_number_is_opened_on_demand_only(channel: Channel, desk: ComplaintDesk) -> None:
    """I15."""
    channel.answers[Call.ASK_COMPLAINT] = Reply(200, BODY)
    complaint = desk.complaint(COMPLAINT)
    assert desk.phone_of(complaint) == PHONE
    assert desk.phone_of(replace(complaint, sealed_phone="")) == ""
    for broken in ("AAAA", "%%%", sealed(PHONE)[:-8]):
        with pytest.raises(GatewayError, match="phone_unreadable"):
            desk.phone_of(replace(complaint, sealed_phone=broken))


@pytest.mark.parametrize(
    "change",
    [
        {"complaint_id": "2"},
        {"complaint_id": "../x"},
        {"complaint_state": "LOST"},
        {"complaint_time": None},
        {"complaint_order_info": ["P1"]},
        {"complaint_order_info": [{"out_trade_no": "P1", "transaction_id": "42", "amount": "1999"}]},
    ],
)
def test_an_odd_complaint_is_not_believed(channel: Channel, desk: ComplaintDesk, change: dict[str, Any]) -> None:
    channel.answers[Call.ASK_COMPLAINT] = Reply(200, BODY | change)
    with pytest.raises(OutcomeUnknown, match="odd_answer"):
        desk.complaint(COMPLAINT)


def test_a_long_list_is_read_page_by_page(channel: Channel, desk: ComplaintDesk) -> None:
    rows = [BODY | {"complaint_id": f"{number:027}"} for number in range(120)]

    def page(path: str) -> Reply:
        asked = {name: int(value[0]) for name, value in parse_qs(urlsplit(path).query).items() if "date" not in name}
        found = rows[asked["offset"] : asked["offset"] + asked["limit"]]
        return Reply(200, {"data": found, "limit": asked["limit"], "offset": asked["offset"], "total_count": 120})

    channel.answers[Call.ASK_COMPLAINT] = page
    read = list(desk.complaints(date(2026, 11, 1), date(2026, 11, 30)))
    assert [complaint.complaint_id for complaint in read] == [row["complaint_id"] for row in rows]
    queries = [parse_qs(urlsplit(request.path).query) for request in channel.requests]
    assert [query["offset"] for query in queries] == [["0"], ["50"], ["100"]]
    assert queries[0]["begin_date"] + queries[0]["end_date"] == ["2026-11-01", "2026-11-30"]


@pytest.mark.parametrize("days", [(date(2026, 11, 1), date(2026, 12, 1)), (date(2026, 11, 2), date(2026, 11, 1))])
def test_thirty_days_are_asked_for_at_most(channel: Channel, desk: ComplaintDesk, days: tuple[date, date]) -> None:
    with pytest.raises(ValueError, match="30 days"):
        desk.complaints(*days)


def test_the_history_says_who_said_what(channel: Channel, desk: ComplaintDesk) -> None:
    media = {"media_type": "USER_COMPLAINT_IMAGE", "media_url": ["https://x/1", "https://x/2"]}
    second = ENTRY | {"operate_type": "MERCHANT_RESPONSE", "complaint_media_list": media}
    channel.answers[Call.ASK_COMPLAINT] = Reply(200, {"data": [ENTRY, second], "total_count": 2})
    first, reply = desk.history(COMPLAINT)
    assert (first.by, first.action, first.words) == ("投诉人", "USER_CREATE_COMPLAINT", "卡密无法使用")
    assert first.pictures == tuple(ENTRY["image_list"])
    assert reply.pictures == ("https://x/1", "https://x/2")
    assert "卡密" not in repr(first)


def test_what_we_answer_is_what_wechat_asks_for(channel: Channel, desk: ComplaintDesk) -> None:
    channel.answers[Call.WRITE_COMPLAINT] = Reply(204, None)
    desk.reply(COMPLAINT, "已为您退款", ["file1.jpg"])
    desk.approve_refund(COMPLAINT, 0, remark="今天退")
    desk.reject_refund(COMPLAINT, "卡密已被充值", ["file2.jpg"])
    desk.complete(COMPLAINT)
    path = f"/v3/merchant-service/complaints-v2/{COMPLAINT}"
    assert [(request.path, json.loads(request.body)) for request in channel.requests] == [
        (
            f"{path}/response",
            {"response_content": "已为您退款", "complainted_mchid": MCHID, "response_images": ["file1.jpg"]},
        ),
        (f"{path}/update-refund-progress", {"action": "APPROVE", "launch_refund_day": 0, "remark": "今天退"}),
        (
            f"{path}/update-refund-progress",
            {"action": "REJECT", "reject_reason": "卡密已被充值", "reject_media_list": ["file2.jpg"]},
        ),
        (f"{path}/complete", {"complainted_mchid": MCHID}),
    ]


#: What breaks the channel's rules, and so is never sent.
NEVER_SENT: dict[str, Callable[[ComplaintDesk], Any]] = {
    "a path for a number": lambda desk: desk.complaint("../certificates"),
    "no words": lambda desk: desk.reply(COMPLAINT, " "),
    "201 characters": lambda desk: desk.reply(COMPLAINT, "字" * 201),
    "five pictures": lambda desk: desk.reply(COMPLAINT, "字", ["a"] * 5),
    "no reason": lambda desk: desk.reject_refund(COMPLAINT, ""),
    "a day before today": lambda desk: desk.approve_refund(COMPLAINT, -1),
    "a long remark": lambda desk: desk.approve_refund(COMPLAINT, 1, remark="字" * 201),
    "a picture elsewhere": lambda desk: desk.picture("https://evil.example/v3/pay/transactions/native"),
    "a picture above": lambda desk: desk.picture("https://x/v3/merchant-service/images/../../certificates"),
    "a picture that is a way up": lambda desk: desk.picture("https://x/v3/merchant-service/images/%2e%2e%2Fx"),
    "a file of another kind": lambda desk: desk.upload("a.svg", PNG),
    "a file with a path": lambda desk: desk.upload("../a.png", PNG),
    "a file of 2 MiB and a byte": lambda desk: desk.upload("a.png", b"x" * (2 * 1024 * 1024 + 1)),
    "an empty file": lambda desk: desk.upload("a.png", b""),
    "no address": lambda desk: desk.set_notify_url("ftp://shop.example/"),
}


@pytest.mark.parametrize("what", NEVER_SENT)
def test_what_breaks_the_rules_is_never_sent(channel: Channel, desk: ComplaintDesk, what: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message differs by field
        NEVER_SENT[what](desk)
    assert channel.requests == []


def test_a_picture_is_uploaded_so_that_any_server_can_take_it_apart(channel: Channel, desk: ComplaintDesk) -> None:
    channel.answers[Call.WRITE_COMPLAINT] = Reply(200, {"media_id": "file23578_21798531.png"})
    assert desk.upload("answer.png", PNG) == "file23578_21798531.png"
    request = channel.requests[0]
    assert request.path == "/v3/merchant-service/images/upload"
    kind, boundary = request.headers["Content-Type"].split("; boundary=")
    assert kind == "multipart/form-data"
    parts = request.body.split(f"--{boundary}".encode())
    assert PNG in parts[2]
    assert f'{{"filename":"answer.png","sha256":"{hashlib.sha256(PNG).hexdigest()}"}}'.encode() in parts[1]


@pytest.mark.parametrize("host", ["https://api.mch.weixin.qq.com", "https://evil.example"])
def test_a_picture_is_fetched_from_our_channel_whatever_host_it_names(
    channel: Channel, desk: ComplaintDesk, host: str
) -> None:
    channel.answers[Call.DOWNLOAD] = Reply(200, None, raw=PNG, headers={"Content-Type": "image/png"})
    assert desk.picture(f"{host}/v3/merchant-service/images/ABC%2Fdef") == PNG
    assert channel.requests[0].path == "/v3/merchant-service/images/ABC%2Fdef"


def test_where_complaints_are_told_is_set_and_forgotten(channel: Channel, desk: ComplaintDesk) -> None:
    channel.answers[Call.ASK_COMPLAINT] = Reply(404, {"code": "RESOURCE_NOT_EXISTS", "message": ""})
    channel.answers[Call.WRITE_COMPLAINT] = Reply(200, {"mchid": MCHID, "url": "https://shop.example/notify"})
    assert desk.notify_url() == ""
    desk.set_notify_url("https://shop.example/notify")
    channel.answers[Call.ASK_COMPLAINT] = Reply(200, {"mchid": MCHID, "url": "https://shop.example/notify"})
    assert desk.notify_url() == "https://shop.example/notify"
    desk.set_notify_url("https://shop.example/notify/2")
    channel.answers[Call.WRITE_COMPLAINT] = Reply(204, None)
    desk.forget_notify_url()
    asked = ["GET", "GET", "POST", "GET", "GET", "PUT", "DELETE"]
    assert [request.command for request in channel.requests] == asked


# --- Notifications --------------------------------------------------------------------------------------------------


def complained(event_type: str = "COMPLAINT.CREATE", **resource: Any) -> Notice:
    notice = Notice.payment()
    notice.envelope["event_type"] = event_type
    notice.box |= {"original_type": "complaint", "associated_data": "complaint"}
    notice.resource = {"complaint_id": COMPLAINT, "action_type": "CREATE_COMPLAINT"} | resource
    return notice


@pytest.mark.parametrize("event_type", ["COMPLAINT.CREATE", "COMPLAINT.STATE_CHANGE"])
def test_a_notice_names_the_complaint_and_what_happened(gateway: WechatGateway, event_type: str) -> None:
    headers, body = complained(event_type, action_type="CONTINUE_COMPLAINT").sealed()
    notice = gateway.read_notification(headers, body, real_time=NOW)
    assert (notice.kind, notice.complaint_id) == (NotificationKind.COMPLAINT, COMPLAINT)
    assert (notice.payment_no, notice.request_no) == ("", "")
    assert notice.facts == {"event_type": event_type, "action_type": "CONTINUE_COMPLAINT"}


@pytest.mark.parametrize(
    ("code", "notice"),
    [
        ("odd_field", complained(complaint_id="../../v3/certificates")),
        ("odd_field", complained(complaint_id=None)),
        ("odd_field", complained(action_type=None)),
        ("wrong_mchid", complained(mchid="1900000109")),
        ("bad_signature", replace(complained(), signing_key=STRANGERS_KEY)),
        ("undecryptable", replace(complained(), aes_key="x" * 32)),
    ],
)
def test_a_forged_complaint_is_refused(channel: Channel, gateway: WechatGateway, code: str, notice: Notice) -> None:
    headers, body = notice.sealed()
    with pytest.raises(NotificationRefused) as refused:
        gateway.read_notification(headers, body, real_time=NOW)
    assert refused.value.code == code
    assert channel.requests == []


@pytest.fixture
def desk(gateway: WechatGateway) -> ComplaintDesk:
    return gateway.complaints
