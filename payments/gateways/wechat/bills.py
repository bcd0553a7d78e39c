"""对账单: 交易账单 and 资金账单, fetched and read in bounded memory.

A bill is text: a row of column names, detail rows with a backtick before every field, a row of totals' names, a row of
totals. Amounts are yuan, times China's. Columns are addressed by name; new ones do no harm.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import IO
from urllib.parse import urlsplit

import wire
from payments.gateways.base import (
    BillFlaw,
    BillIsGarbled,
    BillKind,
    BillLine,
    BillLineKind,
    BillState,
    GatewayError,
    OutcomeUnknown,
    RefundState,
    strictly,
)
from payments.gateways.reading import CHINA, Odd, expect, text
from payments.gateways.wechat.answers import Answer, Call, Verdict, read
from payments.gateways.wechat.client import WechatClient
from payments.gateways.wechat.fields import Body

MOST_PACKED_BYTES = 256 * 1024 * 1024
MOST_BYTES = 4 * 1024 * 1024 * 1024
DOWNLOAD_SECONDS = 300
LONGEST_ROW_BYTES = 64 * 1024
_CHUNK = 64 * 1024

# --- Fetching ------------------------------------------------------------------------------------------------------


def fetch(client: WechatClient, kind: BillKind, day: date, into: IO[bytes]) -> BillState:
    """Write the bill of ``day`` to ``into``; nothing is written before its SHA-1 fits.

    Raises OutcomeUnknown, GatewayMisconfigured, or GatewayError where the channel will never have it.
    """
    answer = _order(client, kind, day)
    if answer.verdict is Verdict.NOT_YET:
        return BillState.NOT_YET
    if answer.verdict is Verdict.NONE:
        return BillState.EMPTY
    if answer.verdict is Verdict.REFUSED:
        raise GatewayError(answer.code, answer.message)
    path, sha1 = read(answer, _where)
    with tempfile.TemporaryFile() as packed:
        _download(client, path, packed)
        if _digest(packed) != sha1:
            raise OutcomeUnknown("bill_hash", "the bill is not the one that was announced")
        for chunk in _unpacked(packed):
            into.write(chunk)
    return BillState.READY


def _order(client: WechatClient, kind: BillKind, day: date) -> Answer:
    if kind is BillKind.TRADES:
        return client.ask(Call.BILL, lambda sdk: sdk.trade_bill(bill_date=day.isoformat(), bill_type="ALL"))
    return client.ask(Call.BILL, lambda sdk: sdk.fundflow_bill(bill_date=day.isoformat(), account_type="BASIC"))


def _where(body: Body) -> tuple[str, str]:
    """The path of the download, and the SHA-1 of its text. The host is ours to choose: a signed call is for one."""
    expect(body, "hash_type", "SHA1")
    sha1 = text(body, "hash_value").lower()
    if not re.fullmatch(r"[0-9a-f]{40}", sha1):
        raise Odd("hash_value")
    address = urlsplit(text(body, "download_url", 2048))
    if not address.path.startswith("/"):
        raise Odd("download_url")
    return (f"{address.path}?{address.query}" if address.query else address.path), sha1


def _download(client: WechatClient, path: str, packed: IO[bytes]) -> None:
    with wire.saving_to(packed, most_bytes=MOST_PACKED_BYTES, total_seconds=DOWNLOAD_SECONDS):
        answer = client.ask(Call.DOWNLOAD, lambda sdk: sdk.download_bill(path))
    if answer.verdict is not Verdict.ANSWERED:  # the address lives for minutes: a new one is asked for
        raise OutcomeUnknown(answer.code, answer.message)


def _digest(packed: IO[bytes]) -> str:
    sha1 = hashlib.sha1(usedforsecurity=False)
    for chunk in _unpacked(packed):
        sha1.update(chunk)
    return sha1.hexdigest()


def _unpacked(packed: IO[bytes]) -> Iterator[bytes]:
    """The text, whether the channel packed it or not. Raises OutcomeUnknown for a broken archive."""
    packed.seek(0)
    is_gzip = packed.read(2) == b"\x1f\x8b"
    packed.seek(0)
    source = gzip.GzipFile(fileobj=packed) if is_gzip else packed
    size = 0
    try:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > MOST_BYTES:
                raise OutcomeUnknown("bill_too_large")
            yield chunk
    except (OSError, EOFError, zlib.error) as error:
        raise OutcomeUnknown("bill_broken", str(error)) from None


# --- Reading -------------------------------------------------------------------------------------------------------

#: Name of a total → the column that it sums. Every total that a bill has must fit.
_TRADE_TOTALS = {
    "应结订单总金额": "应结订单金额",
    "退款总金额": "退款金额",
    "充值券退款总金额": "充值券退款金额",
    "手续费总金额": "手续费",
    "订单总金额": "订单金额",
    "申请退款总金额": "申请退款金额",
}
_TRADE_COUNT, _FUNDS_COUNT = "总交易单数", "资金流水总笔数"
_TRADE_COLUMNS = (
    *("交易时间", "微信订单号", "商户订单号", "交易状态", "订单金额", "手续费"),
    *("微信退款单号", "商户退款单号", "退款状态", "申请退款金额"),
)
#: 退款状态 as the bill words it, which is not as the API does.
_REFUND_STATES = {
    "SUCCESS": RefundState.SUCCEEDED,
    "PROCESSING": RefundState.ACCEPTED,
    "FAIL": RefundState.CLOSED,
    "CHANGE": RefundState.RETURNED,
}
_FUNDS_COLUMNS = ("记账时间", "微信支付业务单号", "业务名称", "业务类型", "收支类型", "收支金额(元)")

Row = Mapping[str, str]


@dataclass(frozen=True)
class _Raw:
    """One line of the file as it came. ``flaw`` says why it cannot be read."""

    number: int
    text: str
    flaw: str = ""

    @property
    def fields(self) -> list[str]:
        """A detail row is cut at its backticks, so that a comma in a shop's words does no harm."""
        if self.text.startswith("`"):
            return [field.strip() for field in self.text[1:].split(",`")]
        return [field.strip() for field in self.text.split(",")]


def read_lines(kind: BillKind, bill: IO[bytes]) -> Iterator[BillLine]:
    """Read a bill line by line. What was read counts only once the end is reached: there the totals are checked (G22).

    Raises BillIsGarbled.
    """
    return strictly(scan(kind, bill))


def scan(kind: BillKind, bill: IO[bytes]) -> Iterator[BillLine | BillFlaw]:
    """Read what can be read, and tell what cannot. Raises BillIsGarbled without columns, or without an end."""
    rows = _rows(bill)
    columns = _names(next(rows, _Raw(1, "")).fields)
    wanted = _TRADE_COLUMNS if kind is BillKind.TRADES else _FUNDS_COLUMNS
    if missing := [name for name in wanted if name not in columns]:
        raise BillIsGarbled("columns", f"missing: {', '.join(missing)}")
    sums = _Sums()
    count_name = _TRADE_COUNT if kind is BillKind.TRADES else _FUNDS_COUNT
    for raw in rows:
        if raw.fields[0] == count_name:
            yield from _flaws_of_totals(sums, raw, next(rows, None), kind)
            if next(rows, None) is not None:
                raise BillIsGarbled("rows", "there is more after the totals")
            return
        try:
            line = _line(columns, raw, kind)
            sums.add(line.row, kind)
        except BillIsGarbled as why:
            sums.unread += 1
            yield BillFlaw(raw.number, str(why), text=raw.text)
        else:
            yield line
    raise BillIsGarbled("totals", "the bill ends before its totals")


def _line(columns: Sequence[str], raw: _Raw, kind: BillKind) -> BillLine:
    fields = raw.fields
    if raw.flaw:
        raise BillIsGarbled("row", raw.flaw)
    if len(fields) != len(columns):
        raise BillIsGarbled("row", f"{len(fields)} fields under {len(columns)} columns")
    row = dict(zip(columns, fields, strict=True))
    return _trade(row) if kind is BillKind.TRADES else _movement(row)


def _flaws_of_totals(sums: _Sums, names: _Raw, values: _Raw | None, kind: BillKind) -> Iterator[BillFlaw]:
    try:
        sums.check(names.fields, values.fields if values else [], kind)
    except BillIsGarbled as why:
        yield BillFlaw(names.number, str(why), is_of_totals=True)


def _rows(bill: IO[bytes]) -> Iterator[_Raw]:
    number = 0
    while raw := bill.readline(LONGEST_ROW_BYTES):
        number += 1
        if len(raw) == LONGEST_ROW_BYTES:
            raise BillIsGarbled("row", "a row is too long")
        try:
            read = _Raw(number, raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n"))
        except UnicodeDecodeError:
            read = _Raw(number, raw.decode("utf-8", "replace").rstrip("\r\n"), flaw="not UTF-8")
        if read.text.strip():
            yield read


def _names(fields: Sequence[str]) -> list[str]:
    if len(set(fields)) != len(fields):
        raise BillIsGarbled("columns", "a column stands twice")
    return list(fields)


def _trade(row: Row) -> BillLine:
    refund = row["交易状态"] == "REFUND"
    payment = row["交易状态"] == "SUCCESS"
    yuan = -_yuan(row, "申请退款金额") if refund else _yuan(row, "订单金额")
    return BillLine(
        kind=BillLineKind.REFUND if refund else BillLineKind.PAYMENT if payment else BillLineKind.OTHER,
        at=_time(row, "交易时间"),
        amount_fen=_fen(yuan),
        payment_no=row["商户订单号"],
        request_no=row["商户退款单号"] if refund else "",
        channel_transaction_id=row["微信订单号"],
        channel_refund_id=row["微信退款单号"] if refund else "",
        fee_fen=int((_yuan(row, "手续费") * 100).quantize(Decimal(1), ROUND_HALF_UP)),
        state=row["退款状态"] if refund else row["交易状态"],
        refund_state=_REFUND_STATES.get(row["退款状态"]) if refund else None,
        move_no=row["微信退款单号"] if refund else row["微信订单号"],
        row=row,
    )


def _movement(row: Row) -> BillLine:
    kind = _movement_kind(row["业务类型"]) or _movement_kind(row["业务名称"]) or BillLineKind.OTHER
    number = row["微信支付业务单号"]
    sign = _direction(row)
    return BillLine(
        kind=kind,
        at=_time(row, "记账时间"),
        amount_fen=sign * _fen(_yuan(row, "收支金额(元)")),
        channel_transaction_id=number if kind is BillLineKind.PAYMENT else "",
        channel_refund_id=number if kind is BillLineKind.REFUND else "",
        state=row["业务类型"],
        move_no=number,
        entry_no=row.get("资金流水单号", ""),
        row=row,
    )


def _movement_kind(word: str) -> BillLineKind | None:
    if "手续费" in word:
        return BillLineKind.FEE
    if word.startswith("退款"):  # 退款, and 退款关闭: money that came back
        return BillLineKind.REFUND
    return BillLineKind.PAYMENT if word == "交易" else None


def _direction(row: Row) -> int:
    if row["收支类型"] not in ("收入", "支出"):
        raise BillIsGarbled("收支类型", row["收支类型"][:40])
    return 1 if row["收支类型"] == "收入" else -1


class _Sums:
    """What the totals at the end must say."""

    def __init__(self) -> None:
        self.count = self.unread = 0
        self.sums: dict[str, Decimal] = {}

    def add(self, row: Row, kind: BillKind) -> None:
        """All of a row or nothing: one that cannot be read leaves no trace."""
        if kind is BillKind.TRADES:
            parts = {column: _yuan(row, column) for column in _TRADE_TOTALS.values() if column in row}
        else:
            word = "收入" if _direction(row) > 0 else "支出"
            parts = {f"{word}笔数": Decimal(1), f"{word}金额": _yuan(row, "收支金额(元)")}
        self.count += 1
        for name, value in parts.items():
            self.sums[name] = self.sums.get(name, Decimal()) + value

    def check(self, names: Sequence[str], values: Sequence[str], kind: BillKind) -> None:
        if len(names) != len(values):
            raise BillIsGarbled("totals", f"{len(values)} totals under {len(names)} names")
        totals = dict(zip(names, values, strict=True))
        count_name = names[0]
        if _number(totals[count_name], count_name) != self.count + self.unread:
            raise BillIsGarbled("totals", f"{count_name} {totals[count_name]}, rows {self.count + self.unread}")
        if self.unread:
            return  # the sums are short of what could not be read, and say nothing
        for name in names[1:]:
            summed = _TRADE_TOTALS.get(name) if kind is BillKind.TRADES else name
            ours = self.sums.get(summed or "", Decimal())
            if summed and _number(totals[name], name) != ours:
                raise BillIsGarbled("totals", f"{name} {totals[name]}, rows {ours}")


def _yuan(row: Row, column: str) -> Decimal:
    return _number(row[column], column)


def _number(words: str, column: str) -> Decimal:
    if not re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,8})?", words):
        raise BillIsGarbled(column, words[:40])
    return Decimal(words)


def _fen(yuan: Decimal) -> int:
    fen = yuan * 100
    if fen != fen.to_integral_value():
        raise BillIsGarbled("amount", f"{yuan} yuan is no whole fen")
    return int(fen)


def _time(row: Row, column: str) -> datetime:
    try:
        return datetime.strptime(row[column], "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
    except ValueError:
        raise BillIsGarbled(column, row[column][:40]) from None
