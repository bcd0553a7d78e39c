"""Bills (对账单): a zip of GBK CSVs for any day or month that is over, behind an address that lives 30 seconds."""

from __future__ import annotations

import re
import secrets
import sqlite3
import struct
import zlib
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from simulator import bill_faults
from simulator.alipay import bill_rows
from simulator.alipay.answers import Refusal, success
from simulator.alipay.trades import Params
from simulator.store import BEIJING
from simulator.wire import Answer, Request
from simulator.world import World

LINK_SECONDS = 30  # not divided by the speed: the shop's own network takes real time
YEARS_BACK = 6
KINDS = {
    "trade": ("trade", "业务明细"),
    "signcustomer": ("account", "账务明细"),
}  # bill_type -> ours, name of the member
EMPTY = "EMPTY_DATA_WITH_BILL_FILE"


def query(world: World, params: Params, biz: dict[str, Any]) -> dict[str, Any]:
    """alipay.data.dataservice.bill.downloadurl.query."""
    kind = biz.get("bill_type")
    if not isinstance(kind, str) or kind not in KINDS:
        raise Refusal("isp.invalid_arguments", "入参不合法：bill_type")
    day = str(biz.get("bill_date"))
    start, end = _span(day)
    now = world.store.now()
    with world.store.transaction() as db:
        plants = bill_faults.planted(db, "alipay", KINDS[kind][0], day)
        missing = any(row["fault"] == "missing" for row in plants)
        if missing or now < end + bill_faults.lateness_seconds(plants) or start < now - YEARS_BACK * 366 * 86400:
            raise Refusal("isp.bill_not_exist", "账单不存在")
        token = secrets.token_urlsafe(24)
        db.execute("DELETE FROM alipay_bill_link WHERE expires_at < ?", (now - 86400,))
        db.execute("INSERT INTO alipay_bill_link VALUES (?, ?, ?, ?)", (token, kind, day, now + LINK_SECONDS))
        empty = bill_rows.count(db, start, end) == 0
    return success(
        bill_download_url=f"{world.address}/alipay/bill/download?token={token}",
        bill_file_code=EMPTY if empty else None,
    )


def download(world: World, request: Request) -> Answer:
    """GET /alipay/bill/download?token=…: the zip, or a page that says why not."""
    token = parse_qs(request.query).get("token", [""])[0]
    with world.store.transaction() as db:
        link = db.execute("SELECT * FROM alipay_bill_link WHERE token = ?", (token,)).fetchone()
        if link is None or link["expires_at"] < world.store.now():
            page = "<html><body>下载链接已失效，请重新获取</body></html>".encode("gbk")
            return Answer(403, page, {"Content-Type": "text/html;charset=GBK"})
        members = _members(world, db, link["bill_type"], link["bill_date"])
    name = f"{world.alipay.seller_id}_{link['bill_date'].replace('-', '')}.csv.zip"
    headers = {"Content-Type": "application/zip", "Content-Disposition": f'attachment; filename="{name}"'}
    return Answer(200, zip_of(members), headers)


def _members(world: World, db: sqlite3.Connection, bill_type: str, day: str) -> dict[str, bytes]:
    kind, title = KINDS[bill_type]
    plants = bill_faults.planted(db, "alipay", kind, day)
    write = bill_rows.trade_bill if kind == "trade" else bill_rows.account_bill
    details, summary = write(world, db, *_span(day), plants)
    stem = f"{world.alipay.seller_id}0156_{day.replace('-', '')}"
    encoded = {f"{stem}_{title}.csv": details, f"{stem}_{title}(汇总).csv": summary}
    return {name: text.encode("gb18030", "replace") for name, text in encoded.items()}


def _span(day: str) -> tuple[float, float]:
    """Beginning and end of a day (yyyy-MM-dd) or a month (yyyy-MM) in Beijing, seconds since 1970."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", day):
            start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=BEIJING)
            return start.timestamp(), (start + timedelta(days=1)).timestamp()
        if re.fullmatch(r"\d{4}-\d{2}", day):
            start = datetime.strptime(day, "%Y-%m").replace(tzinfo=BEIJING)
            return start.timestamp(), (start + timedelta(days=32)).replace(day=1).timestamp()
    except (ValueError, OverflowError):
        pass
    raise Refusal("isp.invalid_arguments", "入参不合法：bill_date")


def zip_of(members: dict[str, bytes]) -> bytes:
    """A zip whose names are GBK without the UTF-8 flag, as Alipay's; `zipfile` cannot write such names."""
    body, directory = b"", b""
    for name, content in members.items():
        raw = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed, encoded = raw.compress(content) + raw.flush(), name.encode("gb18030")
        shared = struct.pack(
            "<HHHHHIIIHH", 20, 0, 8, 0, 0x5A21, zlib.crc32(content), len(packed), len(content), len(encoded), 0
        )
        entry = b"PK\x01\x02" + struct.pack("<H", 20) + shared
        directory += entry + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + encoded
        body += b"PK\x03\x04" + shared + encoded + packed
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return body + directory + b"PK\x05\x06" + end
