"""Bills (账单): the trade bill and the fund-flow bill of any day, ready the next morning, cut from the books.

A link is asked for (signed), the file behind it is fetched (its answer is not signed). A bill shows the books as they
stood when it was cut, the next day at 10:00, whatever happened since. Rows stream from a connection of their own into a
file, so that a day of any size needs no memory and keeps nobody waiting.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import BinaryIO

from simulator import bill_faults
from simulator.store import BEIJING
from simulator.wechat import bill_rows
from simulator.wechat.calls import Call, Refusal, param_error, route
from simulator.wire import Answer
from simulator.world import World

SCHEMA = """
CREATE INDEX IF NOT EXISTS payment_paid ON payment (paid_at) WHERE paid_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS refund_created ON refund (created_at);
CREATE INDEX IF NOT EXISTS movement_at ON movement (moved_at);

CREATE TABLE IF NOT EXISTS bill_link (            -- download_url
    token          TEXT PRIMARY KEY,
    file           TEXT NOT NULL,
    expires_at     REAL NOT NULL
);
"""
READY_HOUR = 10
MONTHS_BACK = 3
LINK_SECONDS = 5 * 60
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Bill:
    """One bill: its day's first and last moment, when it was cut, what is wrong with it."""

    kind: str
    sort: str  # bill_type or account_type
    day: str
    since: float
    until: float
    cut_at: float
    plants: tuple[sqlite3.Row, ...]


@route("GET", r"/v3/bill/tradebill")
def _trade_bill(world: World, call: Call) -> Answer:
    """申请交易账单."""
    return _link(world, call, "trade", _one_of(call, "bill_type", ("ALL", "SUCCESS", "REFUND")))


@route("GET", r"/v3/bill/fundflowbill")
def _fundflow_bill(world: World, call: Call) -> Answer:
    """申请资金账单."""
    return _link(world, call, "fundflow", _one_of(call, "account_type", ("BASIC", "OPERATION", "FEES")))


@route("GET", r"/v3/billdownload/file", signed=False)
def _download(world: World, call: Call) -> Answer:
    """下载账单: the file as it is, without a signature."""
    with world.store.transaction() as db:
        link: sqlite3.Row | None = db.execute(
            "SELECT * FROM bill_link WHERE token = ? AND expires_at > ?",
            (call.query.get("token", ""), world.store.now()),
        ).fetchone()
    try:
        file = open(_folder(world) / link["file"], "rb") if link else None  # noqa: SIM115 - the server closes it
    except FileNotFoundError:
        file = None
    if link is None or file is None:
        raise Refusal(400, "INVALID_REQUEST", "账单下载地址不存在或已失效，请重新申请账单")
    kind = "application/gzip" if link["file"].endswith(".gz") else "text/plain; charset=utf-8"
    return Answer(200, b"", {"Content-Type": kind}, file=file)


def _link(world: World, call: Call, kind: str, sort: str) -> Answer:
    packed = _one_of(call, "tar_type", ("", "GZIP")) == "GZIP"
    bill = _asked_for(world, call, kind, sort)
    token = secrets.token_urlsafe(32)
    name = token + (".csv.gz" if packed else ".csv")
    _sweep(world)
    path = _folder(world) / name
    digest, count = _write(world, bill, path, packed)
    if not count or any(plant["fault"] == "missing" for plant in bill.plants):
        path.unlink()
        raise Refusal(400, "NO_STATEMENT_EXIST", "请求的账单文件不存在，请检查当前商户号在指定日期内是否有交易")
    with world.store.transaction() as db:
        db.execute("INSERT INTO bill_link VALUES (?, ?, ?)", (token, name, world.store.now() + LINK_SECONDS))
    if any(plant["fault"] == "wrong_hash" for plant in bill.plants):
        digest = hashlib.sha1(digest.encode(), usedforsecurity=False).hexdigest()
    url = f"{base_url(world, call)}/v3/billdownload/file?token={token}"
    return Answer.json({"hash_type": "SHA1", "hash_value": digest, "download_url": url})


def base_url(world: World, call: Call) -> str:
    """How the client itself calls us, so that its own address stands in what we tell it to fetch."""
    scheme = world.address.partition("://")[0] or "http"
    host = call.request.headers.get("Host") or ""
    return f"{scheme}://{host}" if re.fullmatch(r"[0-9A-Za-z.:_\[\]-]{1,255}", host) else world.address


def _asked_for(world: World, call: Call, kind: str, sort: str) -> Bill:
    day = _day(call)
    now = datetime.fromtimestamp(world.store.now(), BEIJING)
    if day >= now.date():
        raise Refusal(400, "INVALID_REQUEST", "不支持下载当日或未来日期的账单，请调整账单日期")
    if day < _months_before(now.date(), MONTHS_BACK):
        raise Refusal(400, "INVALID_REQUEST", "仅支持三个月内的账单下载申请")
    since = datetime.combine(day, time(), BEIJING)
    ready = since + timedelta(days=1, hours=READY_HOUR)
    with world.store.transaction() as db:
        plants = bill_faults.planted(db, "wechat", kind, day.isoformat())
    if now < ready + timedelta(seconds=bill_faults.lateness_seconds(plants)):
        raise Refusal(400, "STATEMENT_CREATING", "账单生成中，请稍后再试")
    until = since + timedelta(days=1)
    return Bill(kind, sort, day.isoformat(), since.timestamp(), until.timestamp(), ready.timestamp(), tuple(plants))


def _write(world: World, bill: Bill, path: Path, packed: bool) -> tuple[str, int]:
    """Write the file: (SHA1 of what it holds unpacked, number of rows)."""
    digest, count = hashlib.sha1(usedforsecurity=False), 0
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with world.store.reading() as db, open(path, "wb") as raw, _packer(raw, packed) as file:
        table = bill_rows.table(world, db, bill.kind, bill.sort, bill.since, bill.until, bill.cut_at)
        for line in _lines(table, bill.plants):
            data = line.encode()
            digest.update(data)
            file.write(data)
        count = table.count
    return digest.hexdigest(), count


def _lines(table: bill_rows.Table, plants: Iterable[sqlite3.Row]) -> Iterator[str]:
    yield ",".join(table.columns) + "\r\n"
    yield from bill_faults.spoil(table.rows, plants, table.amounts, _render)
    yield ",".join(table.total_columns) + "\r\n"
    yield _render(table.totals())


def _render(row: Sequence[str]) -> str:
    return ",".join(f"`{value}" for value in row) + "\r\n"


def _packer(raw: BinaryIO, packed: bool) -> AbstractContextManager[BinaryIO | gzip.GzipFile]:
    return gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="", compresslevel=6) if packed else nullcontext(raw)


def _sweep(world: World) -> None:
    """Files whose links are dead go."""
    with world.store.transaction() as db:
        dead = db.execute("DELETE FROM bill_link WHERE expires_at <= ? RETURNING file", (world.store.now(),)).fetchall()
    for row in dead:
        with suppress(FileNotFoundError):
            (_folder(world) / row["file"]).unlink()


def _folder(world: World) -> Path:
    return world.store.path.parent / "bills"


def _day(call: Call) -> date:
    given = call.query.get("bill_date", "")
    try:
        if DAY.fullmatch(given):
            return date.fromisoformat(given)
    except ValueError:
        pass
    raise param_error("bill_date", given, "须为yyyy-MM-dd格式的日期", location="query")


def _one_of(call: Call, name: str, known: tuple[str, ...]) -> str:
    value = call.query.get(name, known[0])
    if value not in known:
        raise param_error(name, value, "枚举值无效", location="query")
    return value


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    for last in (day.day, 30, 29, 28):
        with suppress(ValueError):
            return date(year, month + 1, min(day.day, last))
    raise ValueError(day)
