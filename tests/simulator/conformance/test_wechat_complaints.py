"""Complaints 2.0 through the stock client: every call, every state, and what WeChat tells by itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

Case = tuple[Any, str, str]


@pytest.fixture
def case(start_gateway: Any, ear: Any, deaf_url: str) -> Callable[..., Case]:
    """A paid order that its buyer complains about; the merchant listens: (gateway, out_trade_no, complaint_id)."""

    def complained(**more: Any) -> Case:
        gateway = start_gateway()
        assert gateway.client.complaint_notification_create(ear.url)[0] == 200
        number = gateway.paid_order(deaf_url)
        told = gateway.control("complain", {"out_trade_no": number, "text": "卡密已被使用"} | more)
        assert told["state"] == "PENDING"
        return gateway, number, told["complaint_id"]

    return complained


def detail(gateway: Any, complaint_id: str) -> dict[str, Any]:
    status, body = gateway.client.complaint_detail_query(complaint_id)
    assert status == 200, body
    return json.loads(body)


def history(gateway: Any, complaint_id: str) -> list[dict[str, Any]]:
    status, body = gateway.client.complaint_history_query(complaint_id)
    assert status == 200, body
    return json.loads(body)["data"]


def upload(gateway: Any, tmp_path: Path) -> str:
    image = tmp_path / "proof.png"
    image.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40)
    status, body = gateway.client.complaint_image_upload(str(image))
    assert status == 200, body
    return json.loads(body)["media_id"]


def heard(gateway: Any, ear: Any, complaint_id: str) -> tuple[str, str]:
    """The next notification, as the stock client reads it: (event, action)."""
    event = ear.next_event(gateway)
    assert event["resource"]["complaint_id"] == complaint_id
    return event["event_type"], event["resource"]["action_type"]


def days(gateway: Any) -> tuple[str, str]:
    today = datetime.fromisoformat(gateway.ledger()["now"]).date()
    return (today - timedelta(days=29)).isoformat(), (today + timedelta(days=1)).isoformat()


# --- where to be told ------------------------------------------------------------------------------------------------


def test_the_address_is_made_asked_for_changed_and_removed(start_gateway: Any) -> None:
    gateway, url = start_gateway(), "https://shop.example/notify"
    client = gateway.client
    assert client.complaint_notification_query()[0] == 404
    assert client.complaint_notification_update(url)[0] == 404
    assert client.complaint_notification_delete()[0] == 404
    status, body = client.complaint_notification_create(url)
    assert (status, json.loads(body)) == (200, {"mchid": gateway.keys["mchid"], "url": url})
    assert client.complaint_notification_create(url)[0] == 400
    assert json.loads(client.complaint_notification_update(f"{url}/2")[1])["url"] == f"{url}/2"
    assert json.loads(client.complaint_notification_query()[1])["url"] == f"{url}/2"
    assert client.complaint_notification_delete()[0] == 204
    assert client.complaint_notification_query()[0] == 404


@pytest.mark.parametrize(
    "url", ["ftp://x/y", "shop", "https://shop/n?x=1", "https://", "http://a b/c", "https://a/" + "x" * 255]
)
def test_an_address_that_cannot_be_called_is_refused(gateway: Any, url: str) -> None:
    status, body = gateway.client.complaint_notification_create(url)
    assert (status, json.loads(body)["code"]) == (400, "PARAM_ERROR")


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_complaint_is_told_and_read(case: Any, ear: Any) -> None:
    gateway, number, complaint_id = case(apply_refund_amount_fen=400, images=2)
    assert heard(gateway, ear, complaint_id) == ("COMPLAINT.CREATE", "CREATE_COMPLAINT")
    told = detail(gateway, complaint_id)
    payment = gateway.in_ledger("payments", number)
    assert told["complaint_order_info"] == [
        {"transaction_id": payment["transaction_id"], "out_trade_no": number, "amount": 1000}
    ]
    assert (told["complaint_state"], told["complaint_detail"]) == ("PENDING", "卡密已被使用")
    assert (told["problem_type"], told["apply_refund_amount"]) == ("REFUND", 400)
    assert told["complainted_mchid"] == gateway.keys["mchid"]
    assert told["user_complaint_times"] == 1
    assert told["incoming_user_response"] is True
    assert told["complaint_full_refunded"] is False
    assert datetime.fromisoformat(told["complaint_time"]).utcoffset() == timedelta(hours=8)
    assert gateway.client.decrypt(told["payer_phone"]) == "13800138000"
    urls = told["complaint_media_list"][0]["media_url"]
    assert len(urls) == 2
    status, image = gateway.client.complaint_image_download(urls[0])
    assert (status, image[:8]) == (200, b"\x89PNG\r\n\x1a\n")


def test_the_list_has_pages_and_days(start_gateway: Any, deaf_url: str) -> None:
    gateway = start_gateway()
    number = gateway.paid_order(deaf_url)
    ids = [gateway.control("complain", {"out_trade_no": number})["complaint_id"] for _ in range(3)]
    begin, end = days(gateway)
    status, body = gateway.client.complaint_list_query(begin, end, limit=2)
    page = json.loads(body)
    assert (status, page["total_count"], page["limit"], page["offset"]) == (200, 3, 2, 0)
    rest = json.loads(gateway.client.complaint_list_query(begin, end, limit=2, offset=2)[1])
    assert [row["complaint_id"] for row in page["data"] + rest["data"]] == ids
    assert gateway.client.decrypt(page["data"][0]["payer_phone"])
    before = json.loads(gateway.client.complaint_list_query("2020-01-01", "2020-01-31")[1])
    assert (before["data"], before["total_count"]) == ([], 0)


@pytest.mark.parametrize(
    ("begin", "end", "limit", "code"),
    [
        ("2026-01-01", "2026-02-01", 10, "INVALID_REQUEST"), ("2026-01-02", "2026-01-01", 10, "INVALID_REQUEST"),
        ("2026-1-1", "2026-01-02", 10, "PARAM_ERROR"), ("2026-01-01", "2026-01-02", 51, "PARAM_ERROR"),
        ("2026-01-01", "2026-01-02", 0, "PARAM_ERROR"),
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_made_is_refused(gateway: Any, begin: str, end: str, limit: int, code: str) -> None:
    status, body = gateway.client.complaint_list_query(begin, end, limit=limit)
    assert (status, json.loads(body)["code"]) == (400, code)


def test_unknown_complaints_and_other_merchants_are_refused(gateway: Any) -> None:
    for call in (gateway.client.complaint_detail_query, gateway.client.complaint_history_query):
        assert call("200201820200101080076610000")[0] == 404
    assert gateway.client.complaint_complete("2002018202001010800766")[0] == 404
    today = date(2026, 1, 1).isoformat()
    assert gateway.client.complaint_list_query(today, today, complainted_mchid="1900000001")[0] == 400
    gateway.control("complain", {"out_trade_no": "NOBODY01"}, expect=409)


# --- answering -------------------------------------------------------------------------------------------------------


def test_merchant_and_buyer_talk_until_it_is_settled(case: Any, ear: Any, tmp_path: Path) -> None:
    gateway, _, complaint_id = case()
    heard(gateway, ear, complaint_id)
    media_id = upload(gateway, tmp_path)
    assert gateway.client.complaint_response(complaint_id, "已为您核实", [media_id]) == (204, b"")
    assert heard(gateway, ear, complaint_id) == ("COMPLAINT.STATE_CHANGE", "MERCHANT_RESPONSE")
    told = detail(gateway, complaint_id)
    assert (told["complaint_state"], told["incoming_user_response"]) == ("PROCESSING", False)

    gateway.control("complaint_reply", {"complaint_id": complaint_id, "text": "还是不行"})
    assert heard(gateway, ear, complaint_id) == ("COMPLAINT.STATE_CHANGE", "USER_RESPONSE")
    assert detail(gateway, complaint_id)["incoming_user_response"] is True
    gateway.control("complaint_reply", {"complaint_id": complaint_id, "text": "请平台介入", "action": "ask_platform"})
    assert heard(gateway, ear, complaint_id)[1] == "USER_APPLY_PLATFORM_SERVICE"

    assert gateway.client.complaint_complete(complaint_id)[0] == 204
    assert gateway.client.complaint_complete(complaint_id)[0] == 204
    assert heard(gateway, ear, complaint_id) == ("COMPLAINT.STATE_CHANGE", "MERCHANT_CONFIRM_COMPLETE")
    assert detail(gateway, complaint_id)["complaint_state"] == "PROCESSED"
    assert gateway.client.complaint_response(complaint_id, "再说一句")[0] == 400
    gateway.control("complaint_reply", {"complaint_id": complaint_id, "text": "x"}, expect=409)

    gateway.control("complaint_reply", {"complaint_id": complaint_id, "text": "又坏了", "action": "continue"})
    assert heard(gateway, ear, complaint_id) == ("COMPLAINT.STATE_CHANGE", "CONTINUE_COMPLAINT")
    told = detail(gateway, complaint_id)
    assert (told["complaint_state"], told["user_complaint_times"]) == ("PENDING", 2)

    lines = history(gateway, complaint_id)
    assert [line["operate_type"] for line in reversed(lines)] == [
        "USER_CREATE_COMPLAINT", "MERCHANT_RESPONSE", "USER_RESPONSE", "USER_APPLY_PLATFORM_HELP",
        "MERCHANT_CONFIRM_COMPLETE", "USER_CONTINUE_COMPLAINT",
    ]  # fmt: skip
    answer = lines[-2]
    assert (answer["operate_details"], answer["operator"]) == ("已为您核实", "商家")
    assert answer["image_list"] == answer["complaint_media_list"]["media_url"]
    status, image = gateway.client.complaint_image_download(answer["image_list"][0])
    assert (status, image) == (200, (tmp_path / "proof.png").read_bytes())
    second = json.loads(gateway.client.complaint_history_query(complaint_id, limit=1, offset=1)[1])
    assert (second["total_count"], second["data"][0]["log_id"]) == (6, lines[1]["log_id"])


def test_an_approval_refunds_nothing_and_the_money_settles_the_case(case: Any, ear: Any) -> None:
    gateway, number, complaint_id = case()
    heard(gateway, ear, complaint_id)
    assert (
        gateway.client.complaint_update_refund(complaint_id, "APPROVE", 0, reject_media_list=[], remark="今天退")[0]
        == 204
    )
    assert heard(gateway, ear, complaint_id)[1] == "MERCHANT_APPROVE_REFUND"
    assert detail(gateway, complaint_id)["complaint_state"] == "PROCESSING"
    assert gateway.in_ledger("payments", number)["refunded_fen"] == 0

    assert gateway.refund(number, f"{number}R1")[0] == 200
    assert heard(gateway, ear, complaint_id)[1] == "SELLER_REFUND"
    told = detail(gateway, complaint_id)
    assert (told["complaint_state"], told["complaint_full_refunded"]) == ("PROCESSING", True)
    gateway.control("settle", {"request_no": f"{number}R1", "status": "SUCCESS"})
    assert heard(gateway, ear, complaint_id) == ("COMPLAINT.STATE_CHANGE", "REFUND_SUCCESS")
    assert detail(gateway, complaint_id)["complaint_state"] == "PROCESSED"


def test_less_than_was_asked_for_does_not_settle_the_case(case: Any, ear: Any) -> None:
    gateway, number, complaint_id = case(apply_refund_amount_fen=500)
    heard(gateway, ear, complaint_id)
    gateway.refund(number, f"{number}R1", 499)
    assert heard(gateway, ear, complaint_id)[1] == "SELLER_REFUND"  # before the next: no order is promised
    gateway.control("settle", {"request_no": f"{number}R1", "status": "SUCCESS"})
    assert heard(gateway, ear, complaint_id)[1] == "REFUND_SUCCESS"
    assert detail(gateway, complaint_id)["complaint_state"] == "PENDING"


def test_a_rejection_settles_it_at_once(case: Any, ear: Any, tmp_path: Path) -> None:
    gateway, _, complaint_id = case()
    heard(gateway, ear, complaint_id)
    media_id = upload(gateway, tmp_path)
    status, _ = gateway.client.complaint_update_refund(
        complaint_id, "REJECT", reject_reason="卡密有效", reject_media_list=[media_id]
    )
    assert status == 204
    assert heard(gateway, ear, complaint_id)[1] == "MERCHANT_REJECT_REFUND"
    assert detail(gateway, complaint_id)["complaint_state"] == "PROCESSED"
    line = history(gateway, complaint_id)[0]
    assert (line["operate_type"], line["operate_details"], len(line["image_list"])) == (
        "MERCHANT_REFUSE_RERUND",
        "卡密有效",
        1,
    )
    again, _ = gateway.client.complaint_update_refund(complaint_id, "APPROVE", 0, reject_media_list=[])
    assert again == 400


@pytest.mark.parametrize(
    "data",
    [
        {"action": "MAYBE"}, {"action": "REJECT"}, {"action": "REJECT", "reject_reason": "x" * 201},
        {"action": "REJECT", "reject_reason": "x", "launch_refund_day": 0},
        {"action": "APPROVE", "launch_refund_day": -1}, {"action": "APPROVE", "launch_refund_day": "0"},
        {"action": "REJECT", "reject_reason": "x", "reject_media_list": ["unknown"]},
        {"action": "REJECT", "reject_reason": "x", "reject_media_list": ["a"] * 5},
        {"action": "APPROVE", "remark": "x" * 201},
    ],
)  # fmt: skip
def test_a_verdict_that_makes_no_sense_is_refused(gateway: Any, deaf_url: str, data: dict[str, Any]) -> None:
    number = gateway.paid_order(deaf_url)
    complaint_id = gateway.control("complain", {"out_trade_no": number})["complaint_id"]
    path = f"/v3/merchant-service/complaints-v2/{complaint_id}/update-refund-progress"
    status, answer = gateway.call("POST", path, data)
    assert (status, answer["code"]) == (400, "PARAM_ERROR")


def test_only_a_wish_for_money_back_is_approved(gateway: Any, deaf_url: str) -> None:
    number = gateway.paid_order(deaf_url)
    complaint_id = gateway.control("complain", {"out_trade_no": number, "problem_type": "OTHERS"})["complaint_id"]
    assert "apply_refund_amount" not in detail(gateway, complaint_id)
    status, body = gateway.client.complaint_update_refund(complaint_id, "APPROVE", 0, reject_media_list=[])
    assert (status, json.loads(body)["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("content", "images", "url"),
    [("x" * 201, [], None), ("x", ["a"] * 5, None), ("x", ["no"], None), ("x", [], "http://a")],
)
def test_an_answer_that_makes_no_sense_is_refused(
    gateway: Any, deaf_url: str, content: str, images: list[str], url: str | None
) -> None:
    number = gateway.paid_order(deaf_url)
    complaint_id = gateway.control("complain", {"out_trade_no": number})["complaint_id"]
    status, body = gateway.client.complaint_response(complaint_id, content, images, jump_url=url)
    assert (status, json.loads(body)["code"]) == (400, "PARAM_ERROR")
    assert detail(gateway, complaint_id)["complaint_state"] == "PENDING"


# --- images ----------------------------------------------------------------------------------------------------------


def multipart(meta: str, content: bytes, *, boundary: str = "x1") -> bytes:
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n\r\n{meta}'
        f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    ).encode() + content + f"\r\n--{boundary}--\r\n".encode()  # fmt: skip


def post_image(gateway: Any, meta: str, content: bytes, *, signed: str | None = None) -> tuple[int, Any]:
    path = "/v3/merchant-service/images/upload"
    headers = gateway.signed("POST", path, (meta if signed is None else signed).encode())
    status, _, answer = gateway.http(
        "POST", path, multipart(meta, content), headers | {"Content-Type": "multipart/form-data; boundary=x1"}
    )
    return status, json.loads(answer)


PNG = b"\x89PNG\r\n\x1a\nrest\r\n--x\r\n\r\n"


def meta_of(content: bytes, name: str = "a.png") -> str:
    return json.dumps({"filename": name, "sha256": hashlib.sha256(content).hexdigest()})


def test_an_upload_is_signed_over_its_meta(gateway: Any) -> None:
    meta = meta_of(PNG)
    status, answer = post_image(gateway, meta, PNG)
    assert (status, len(answer["media_id"])) == (200, 48)
    assert post_image(gateway, meta, PNG, signed="{}")[0] == 401
    assert post_image(gateway, meta, PNG, signed="")[0] == 401


@pytest.mark.parametrize(
    ("meta", "content"),
    [
        (meta_of(b"other"), PNG), (meta_of(PNG, "a.gif"), PNG), (meta_of(b"GIF89a"), b"GIF89a"), ("{}", PNG),
        ("not json", PNG), ('{"filename": 5, "sha256": 5}', PNG),
        (meta_of(PNG + bytes(2 * 1024 * 1024)), PNG + bytes(2 * 1024 * 1024)),
    ],
    ids=["hash", "suffix", "kind", "empty", "no json", "numbers", "large"],
)  # fmt: skip
def test_what_is_no_image_is_refused(gateway: Any, meta: str, content: bytes) -> None:
    status, answer = post_image(gateway, meta, content)
    assert (status, answer["code"]) == (400, "PARAM_ERROR")


def test_a_body_that_is_not_multipart_is_refused(gateway: Any) -> None:
    path = "/v3/merchant-service/images/upload"
    for body in (b"", b"{}", b"--\r\n", b"--x", b"\xff" * 99):
        assert gateway.http("POST", path, body, gateway.signed("POST", path, b"{}"))[0] == 401
        assert gateway.http("POST", path, body, gateway.signed("POST", path, b""))[0] == 400


def test_images_are_for_the_merchant_alone(gateway: Any) -> None:
    media_id = post_image(gateway, meta_of(PNG), PNG)[1]["media_id"]
    path = f"/v3/merchant-service/images/{media_id}"
    assert gateway.http("GET", path)[0] == 401
    status, headers, body = gateway.http("GET", path, headers=gateway.signed("GET", path))
    assert (status, headers["Content-Type"], body) == (200, "image/png", PNG)
    assert not [name for name in headers if name.lower().startswith("wechatpay")]
    missing = path[:-1] + ("0" if path[-1] != "0" else "1")
    assert gateway.http("GET", missing, headers=gateway.signed("GET", missing))[0] == 404


# --- notifications ---------------------------------------------------------------------------------------------------


def test_without_an_address_nothing_is_sent(start_gateway: Any, deaf_url: str) -> None:
    gateway = start_gateway()
    number = gateway.paid_order(deaf_url)
    gateway.control("complain", {"out_trade_no": number})
    assert not [row for row in gateway.ledger()["notifications"] if row["event_type"].startswith("COMPLAINT")]


def test_a_complaint_is_told_again_until_it_is_heard(
    start_gateway: Any, ear: Any, deaf_url: str, until: Callable[..., Any]
) -> None:
    gateway = start_gateway(speed=1)
    gateway.client.complaint_notification_create(ear.url)
    number = gateway.paid_order(deaf_url)
    ear.answer = 500
    complaint_id = gateway.control("complain", {"out_trade_no": number})["complaint_id"]

    def row() -> dict[str, Any]:
        return next(r for r in gateway.ledger()["notifications"] if r["number"] == complaint_id)

    first = ear.next_event(gateway)
    until(lambda: row()["tries"] == 1)
    ear.answer = 204
    gateway.control("clock", {"advance_seconds": 5})
    assert ear.next_event(gateway)["id"] == first["id"]
    until(lambda: row()["state"] == "received")
    assert row()["tries"] == 2


def test_complaints_outlive_the_process(case: Any, ear: Any) -> None:
    gateway, _, complaint_id = case()
    heard(gateway, ear, complaint_id)
    gateway.stop()
    gateway.start()
    assert detail(gateway, complaint_id)["complaint_state"] == "PENDING"
    assert json.loads(gateway.client.complaint_notification_query()[1])["url"] == ear.url
