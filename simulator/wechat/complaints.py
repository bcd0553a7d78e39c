"""Consumer complaints 2.0 (消费者投诉) as a merchant calls them: where to be told, list, detail, history, answers."""

from __future__ import annotations

import base64
import json
import sqlite3
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from simulator import settings
from simulator.store import BEIJING, rfc3339
from simulator.wechat.bills import base_url
from simulator.wechat.books import payment_of
from simulator.wechat.calls import Call, Refusal, param_error, route
from simulator.wechat.complaint_book import URL_SETTING, find, fully_refunded, move_on, note
from simulator.wechat.fields import text
from simulator.wire import Answer
from simulator.world import World

NOTIFICATIONS = r"/v3/merchant-service/complaint-notifications"
ONE = r"/v3/merchant-service/complaints-v2/([0-9]{1,64})"
LONGEST_SPAN_DAYS = 30
MOST_IMAGES = 4
MERCHANT = "商家"
PROBLEM_WORDS = {"REFUND": "申请退款", "SERVICE_NOT_WORK": "服务权益未生效", "OTHERS": "其他"}


# --- where WeChat tells of complaints --------------------------------------------------------------------------------


@route("POST", NOTIFICATIONS)
def _create_notification(world: World, call: Call) -> Answer:
    """创建投诉通知回调地址."""
    url = _url(call.data)
    with world.store.transaction() as db:
        if settings.read(db, URL_SETTING, None):
            raise Refusal(400, "RESOURCE_ALREADY_EXISTS", "投诉通知回调地址已存在，请使用更新接口")
        settings.write(db, URL_SETTING, url)
    return _notification(world, url)


@route("GET", NOTIFICATIONS)
def _query_notification(world: World, call: Call) -> Answer:
    """查询投诉通知回调地址."""
    with world.store.transaction() as db:
        return _notification(world, _registered(db))


@route("PUT", NOTIFICATIONS)
def _update_notification(world: World, call: Call) -> Answer:
    """更新投诉通知回调地址."""
    url = _url(call.data)
    with world.store.transaction() as db:
        _registered(db)
        settings.write(db, URL_SETTING, url)
    return _notification(world, url)


@route("DELETE", NOTIFICATIONS)
def _delete_notification(world: World, call: Call) -> Answer:
    """删除投诉通知回调地址."""
    with world.store.transaction() as db:
        _registered(db)
        settings.write(db, URL_SETTING, None)
    return Answer(204)


# --- reading ---------------------------------------------------------------------------------------------------------


@route("GET", r"/v3/merchant-service/complaints-v2")
def _list(world: World, call: Call) -> Answer:
    """查询投诉单列表: by the day of the complaint, oldest first."""
    limit, offset = _number(call, "limit", 10, 1, 50), _number(call, "offset", 0, 0, 10**9)
    begin, end = _day(call, "begin_date"), _day(call, "end_date")
    if not timedelta() <= end - begin <= timedelta(days=LONGEST_SPAN_DAYS):
        raise Refusal(400, "INVALID_REQUEST", "查询日期跨度不能超过30天，且结束日期不能早于开始日期")
    _our_merchant(world, call.query.get("complainted_mchid", world.keys.mchid), "query")
    since = datetime.combine(begin, time(), BEIJING).timestamp()
    until = datetime.combine(end + timedelta(days=1), time(), BEIJING).timestamp()
    where = "FROM complaint WHERE created_at >= ? AND created_at < ?"
    with world.store.transaction() as db:
        total: int = db.execute(f"SELECT count(*) {where}", (since, until)).fetchone()[0]  # noqa: S608 - ours
        found = db.execute(
            f"SELECT * {where} ORDER BY created_at, complaint_id LIMIT ? OFFSET ?",  # noqa: S608 - ours
            (since, until, limit, offset),
        ).fetchall()
        data = [_complaint(world, db, call, row) for row in found]
    return Answer.json({"data": data, "limit": limit, "offset": offset, "total_count": total})


@route("GET", ONE)
def _detail(world: World, call: Call) -> Answer:
    """查询投诉单详情."""
    with world.store.transaction() as db:
        return Answer.json(_complaint(world, db, call, _known(db, call)) | {"complainted_mchid": world.keys.mchid})


@route("GET", ONE + "/negotiation-historys")
def _history(world: World, call: Call) -> Answer:
    """查询投诉单协商历史: newest first."""
    limit, offset = _number(call, "limit", 100, 1, 300), _number(call, "offset", 0, 0, 10**9)
    with world.store.transaction() as db:
        complaint_id = _known(db, call)["complaint_id"]
        total: int = db.execute(
            "SELECT count(*) FROM complaint_line WHERE complaint_id = ?", (complaint_id,)
        ).fetchone()[0]
        found = db.execute(
            "SELECT * FROM complaint_line WHERE complaint_id = ? ORDER BY id DESC LIMIT ? OFFSET ?",
            (complaint_id, limit, offset),
        ).fetchall()
    data = [_line(world, call, row) for row in found]
    return Answer.json({"data": data, "limit": limit, "offset": offset, "total_count": total})


# --- answering -------------------------------------------------------------------------------------------------------


@route("POST", ONE + "/response")
def _respond(world: World, call: Call) -> Answer:
    """提交回复."""
    data = call.data
    content = text(data, "response_content", 200)
    _our_merchant(world, data.get("complainted_mchid"))
    jump_url = text(data, "jump_url", 512, required=False)
    if jump_url is not None and not jump_url.startswith("https://"):
        raise param_error("jump_url", jump_url, "链接须满足https格式")
    text(data, "jump_url_text", 10, required=False)
    with world.store.transaction() as db:
        complaint = _known(db, call)
        images = _images(db, data, "response_images")
        if complaint["state"] == "PROCESSED":
            raise Refusal(400, "INVALID_REQUEST", "投诉单已处理完成，不能再回复")
        note(world, db, complaint["complaint_id"], "MERCHANT_RESPONSE", content or "", operator=MERCHANT, media=images)
        move_on(world, db, complaint["complaint_id"], "PROCESSING", "MERCHANT_RESPONSE")
    return Answer(204)


@route("POST", ONE + "/complete")
def _complete(world: World, call: Call) -> Answer:
    """反馈处理完成: may be repeated."""
    _our_merchant(world, call.data.get("complainted_mchid"))
    with world.store.transaction() as db:
        complaint = _known(db, call)
        if complaint["state"] != "PROCESSED":
            note(world, db, complaint["complaint_id"], "MERCHANT_CONFIRM_COMPLETE", "", operator=MERCHANT)
            move_on(world, db, complaint["complaint_id"], "PROCESSED", "MERCHANT_CONFIRM_COMPLETE")
    return Answer(204)


@route("POST", ONE + "/update-refund-progress")
def _update_refund(world: World, call: Call) -> Answer:
    """更新退款审批结果: APPROVE only promises, the refund itself is the refund call; REJECT settles at once."""
    data = call.data
    action = data.get("action")
    if action not in ("APPROVE", "REJECT"):
        raise param_error("action", action, "枚举值无效，可选APPROVE、REJECT")
    remark = text(data, "remark", 200, required=False) or ""
    day = data.get("launch_refund_day")
    if day is not None and (action == "REJECT" or isinstance(day, bool) or not isinstance(day, int) or day < 0):
        raise param_error("launch_refund_day", day, "仅同意退款时可填，须为非负整数（工作日）")
    reason = text(data, "reject_reason", 200, required=action == "REJECT") or ""
    with world.store.transaction() as db:
        complaint = _known(db, call)
        images = _images(db, data, "reject_media_list")
        if complaint["problem_type"] != "REFUND" or complaint["state"] == "PROCESSED":
            raise Refusal(400, "INVALID_REQUEST", "投诉单不是待审批的退款申请")
        number = complaint["complaint_id"]
        if action == "APPROVE":
            db.execute("UPDATE complaint SET launch_day = ? WHERE complaint_id = ?", (day or 0, number))
            note(world, db, number, "MERCHANT_APPROVE_REFUND", remark, operator=MERCHANT)
            move_on(world, db, number, "PROCESSING", "MERCHANT_APPROVE_REFUND")
        else:
            note(world, db, number, "MERCHANT_REFUSE_RERUND", reason, operator=MERCHANT, media=images)
            move_on(world, db, number, "PROCESSED", "MERCHANT_REJECT_REFUND")
    return Answer(204)


# --- what WeChat says about a complaint ------------------------------------------------------------------------------


def _complaint(world: World, db: sqlite3.Connection, call: Call, row: sqlite3.Row) -> dict[str, Any]:
    payment = payment_of(db, row["out_trade_no"])
    first = db.execute(
        "SELECT media FROM complaint_line WHERE complaint_id = ? ORDER BY id LIMIT 1", (row["complaint_id"],)
    ).fetchone()
    media = json.loads(first["media"])
    result: dict[str, Any] = {
        "complaint_id": row["complaint_id"],
        "complaint_time": rfc3339(row["created_at"]),
        "complaint_detail": row["detail"],
        "complaint_state": row["state"],
        "payer_openid": payment["openid"] or world.keys.openid,
        "complaint_order_info": [
            {
                "transaction_id": payment["transaction_id"],
                "out_trade_no": payment["out_trade_no"],
                "amount": payment["amount_fen"],
            }
        ],
        "complaint_full_refunded": fully_refunded(db, row),
        "incoming_user_response": bool(row["user_waits"]),
        "user_complaint_times": row["times"],
        "problem_description": PROBLEM_WORDS[row["problem_type"]],
        "problem_type": row["problem_type"],
        "user_tag_list": ["TRUSTED"],
        "complaint_media_list": _media(world, call, media, "USER_COMPLAINT_IMAGE"),
    }
    if row["apply_fen"] is not None:
        result["apply_refund_amount"] = row["apply_fen"]
    if row["phone"] is not None:
        result["payer_phone"] = _for_merchant(world.keys.private_key, row["phone"])
    return result


def _line(world: World, call: Call, row: sqlite3.Row) -> dict[str, Any]:
    kind = "USER_COMPLAINT_IMAGE" if row["operate_type"] == "USER_CREATE_COMPLAINT" else "OPERATION_IMAGE"
    media = _media(world, call, json.loads(row["media"]), kind)
    return {
        "log_id": row["log_id"],
        "operator": row["operator"],
        "operate_time": rfc3339(row["at"]),
        "operate_type": row["operate_type"],
        "operate_details": row["details"],
        "image_list": media[0]["media_url"] if media else [],
        "complaint_media_list": media[0] if media else None,
    }


def _media(world: World, call: Call, ids: list[str], kind: str) -> list[dict[str, Any]]:
    base = base_url(world, call)
    urls = [f"{base}/v3/merchant-service/images/{media_id}" for media_id in ids]
    return [{"media_type": kind, "media_url": urls}] if urls else []


def _for_merchant(private_key: str, secret: str) -> str:
    """Encrypted for the merchant's certificate (RSA-OAEP, SHA-1, base64)."""
    padding = OAEP(MGF1(SHA1()), SHA1(), None)  # noqa: S303 - what WeChat uses
    return base64.b64encode(_merchants_key(private_key).public_key().encrypt(secret.encode(), padding)).decode()


@lru_cache(maxsize=4)
def _merchants_key(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("WeChat Pay knows RSA keys only")
    return key


def _notification(world: World, url: str) -> Answer:
    return Answer.json({"mchid": world.keys.mchid, "url": url})


# --- fields ----------------------------------------------------------------------------------------------------------


def _known(db: sqlite3.Connection, call: Call) -> sqlite3.Row:
    complaint = find(db, call.number)
    if complaint is None:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "投诉单不存在")
    return complaint


def _registered(db: sqlite3.Connection) -> str:
    url: str | None = settings.read(db, URL_SETTING, None)
    if not url:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "投诉通知回调地址不存在，请先创建")
    return url


def _url(data: dict[str, Any]) -> str:
    """Plain http is allowed here, unlike at the real WeChat Pay, since shops in development have no https."""
    url = text(data, "url", 255) or ""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or not (url.isascii() and url.isprintable()) or any(mark in url for mark in " ?#@"):
        raise param_error("url", url, "须为完整的http(s)地址，且不能携带参数")
    return url


def _our_merchant(world: World, given: Any, location: str = "body") -> None:
    if given != world.keys.mchid:
        raise param_error("complainted_mchid", given, "不是当前商户的商户号", location=location)


def _images(db: sqlite3.Connection, data: dict[str, Any], name: str) -> list[str]:
    given = data.get(name) or []
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given) or len(given) > MOST_IMAGES:
        raise param_error(name, given, f"最多{MOST_IMAGES}个media_id的列表")
    for media_id in given:
        if not db.execute("SELECT 1 FROM complaint_media WHERE media_id = ? AND by_merchant", (media_id,)).fetchone():
            raise param_error(name, media_id, "图片不存在，请先上传反馈图片")
    return given


def _number(call: Call, name: str, default: int, least: int, most: int) -> int:
    value = call.query.get(name, str(default))
    if not (value.isascii() and value.isdigit() and len(value) < 12 and least <= int(value) <= most):
        raise param_error(name, value, f"须为{least}至{most}的整数", location="query")
    return int(value)


def _day(call: Call, name: str) -> date:
    value = call.query.get(name, "")
    try:
        if len(value) == len("2026-01-01"):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise param_error(name, value, "须为yyyy-MM-dd格式的日期", location="query")
