"""对账单: fetching Alipay's zip, and reading the detail list in it.

A list is comment lines (``#``), a line of column names, rows, and comment lines again, the last ones with totals. Cells
carry tabs. Columns are found by name, brackets of either width.
"""

from __future__ import annotations

import codecs
import csv
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import urlsplit

import requests

import wire
from payments.gateways.alipay import fields
from payments.gateways.alipay.refunds import channel_refund_id
from payments.gateways.base import (
    BillFlaw,
    BillIsGarbled,
    BillKind,
    BillLine,
    BillLineKind,
    OutcomeUnknown,
    RefundState,
    strictly,
)
from payments.gateways.reading import Odd

TYPES = {BillKind.TRADES: "trade", BillKind.FUNDS: "signcustomer"}
MOST_ZIP_BYTES = 256 * 1024 * 1024
MOST_TEXT_BYTES = 2 * 1024 * 1024 * 1024
MOST_LINE_BYTES = 64 * 1024
DOWNLOAD_SECONDS = 300
_CHUNK = 64 * 1024

# --- Fetching --------------------------------------------------------------------------------------------------------

#: Official gateways → where their bills may lie. Any other gateway serves its bills itself.
_BILL_HOSTS = {"alipay.com": ".alipay.com", "alipaydev.com": ".alipaydev.com"}


def fetch(kind: BillKind, address: str, gateway: str, into: IO[bytes]) -> None:
    """Download the zip at ``address`` and write the detail list in it to ``into``, as UTF-8.

    Raises OutcomeUnknown; what has been written by then is worth nothing.
    """
    address = _allowed(address, gateway)
    with tempfile.TemporaryFile() as packed:
        try:
            with wire.saving_to(packed, most_bytes=MOST_ZIP_BYTES, total_seconds=DOWNLOAD_SECONDS):
                response = wire.session().get(address, allow_redirects=False)
        except requests.RequestException as error:
            raise OutcomeUnknown("bill_download", type(error).__name__) from None
        if response.status_code != 200:
            raise OutcomeUnknown(f"bill_http_{response.status_code}")
        packed.seek(0)
        try:
            unpack(kind, packed, into)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
            raise OutcomeUnknown("bill_zip", f"{type(error).__name__}: {str(error)[:200]}") from None


def unpack(kind: BillKind, packed: IO[bytes], into: IO[bytes]) -> None:
    """Copy the detail list in a zip, GB18030 made UTF-8, in bounded memory. Raises ValueError, BadZipFile."""
    with zipfile.ZipFile(packed, metadata_encoding="gb18030") as archive:
        member = _detail_list(kind, archive)
        # One bad byte in a product's name must not cost the day's bill; in a number it is caught by whoever reads it.
        decoder = codecs.getincrementaldecoder("gb18030")("replace")
        size = 0
        with archive.open(member) as cut:
            while chunk := cut.read(_CHUNK):
                size += len(chunk)
                if size > MOST_TEXT_BYTES:
                    raise ValueError("the bill is too large")
                into.write(decoder.decode(chunk).encode())
        into.write(decoder.decode(b"", final=True).encode())


def _allowed(address: str, gateway: str) -> str:
    """A signed answer names an address: it is fetched only where Alipay keeps its bills."""
    try:
        parts, ours = urlsplit(address), urlsplit(gateway)
        host, our_host = parts.hostname or "", ours.hostname or ""
    except ValueError:
        raise OutcomeUnknown("bill_host", "no address") from None
    if parts.scheme not in ("http", "https") or parts.username is not None:
        raise OutcomeUnknown("bill_host", host)
    for official, theirs in _BILL_HOSTS.items():
        if our_host.endswith(f".{official}"):
            if not host.endswith(theirs):
                raise OutcomeUnknown("bill_host", host)
            return "https:" + address.partition(":")[2]  # seen with http; a bill never travels in clear
    if host != our_host and not (wire.is_loopback(address) and wire.is_loopback(gateway)):
        raise OutcomeUnknown("bill_host", host)
    return address


def _detail_list(kind: BillKind, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    word = {BillKind.TRADES: "业务明细", BillKind.FUNDS: "账务明细"}[kind]
    found = [member for member in archive.infolist() if member.filename.endswith(f"{word}.csv")]
    if len(found) != 1:
        raise ValueError(f"{len(found)} members end in {word}.csv")
    return found[0]


# --- Reading ---------------------------------------------------------------------------------------------------------


def read(kind: BillKind, bill: IO[bytes]) -> Iterator[BillLine]:
    """Yield the rows of a fetched bill; the totals are checked after the last. Raises BillIsGarbled (G22)."""
    return strictly(scan(kind, bill))


def scan(kind: BillKind, bill: IO[bytes]) -> Iterator[BillLine | BillFlaw]:
    """Read what can be read, and tell what cannot. Raises BillIsGarbled without columns, or without an end."""
    columns: list[str] = []
    totals, ended, at = _Totals(), False, 0
    try:
        for text in _lines(bill):
            at += 1
            if text.startswith("#"):
                ended = bool(columns)
                yield from _flaws_of_totals(totals, text, at)
            elif ended:
                raise Odd("a row after the end")
            elif not columns:
                columns = _columns(kind, text)
            else:
                yield _line_or_flaw(kind, columns, text, totals, at)
    except Odd as odd:
        raise BillIsGarbled("garbled_bill", f"line {at}: {odd}") from None
    if not ended:
        raise BillIsGarbled("cut_bill", f"line {at}: the bill breaks off")


def _line_or_flaw(kind: BillKind, columns: list[str], text: str, totals: _Totals, at: int) -> BillLine | BillFlaw:
    try:
        row = _row(columns, text)
        line = _trade_line(row) if kind is BillKind.TRADES else _fund_line(row)
        totals.count(line)
    except Odd as odd:
        totals.unread += 1
        return BillFlaw(at, str(odd), text=text)
    return line


def _flaws_of_totals(totals: _Totals, text: str, at: int) -> Iterator[BillFlaw]:
    try:
        totals.check(text)
    except Odd as odd:
        yield BillFlaw(at, str(odd), is_of_totals=True)


def _trade_line(row: Mapping[str, str]) -> BillLine:
    """业务明细. A refund's row repeats its payment's number and has negative amounts."""
    word = row["业务类型"]
    kind = BillLineKind.REFUND if "退款" in word else BillLineKind.PAYMENT if "交易" in word else BillLineKind.OTHER
    amount_fen, fee_fen = _signed_fen(row, "订单金额(元)"), _signed_fen(row, "服务费(元)", optional=True)
    if kind is BillLineKind.PAYMENT and amount_fen < 0:
        raise Odd("订单金额")
    refund = kind is BillLineKind.REFUND
    request_no = row["退款批次号/请求号"]
    return BillLine(
        kind,
        fields.time_of(row["完成时间"] or row["创建时间"], "完成时间"),
        amount_fen=-abs(amount_fen) if refund else amount_fen,
        payment_no=row["商户订单号"],
        request_no=request_no,
        channel_transaction_id=row["支付宝交易号"],
        channel_refund_id=channel_refund_id(row["支付宝交易号"], request_no) if refund and request_no else "",
        fee_fen=-abs(fee_fen) if refund else abs(fee_fen),  # a fee of ours is positive, one given back negative
        refund_state=RefundState.SUCCEEDED if refund else None,  # a row stands there only once money has moved
        move_no=row["支付宝交易号"],
        row=row,
    )


def _fund_line(row: Mapping[str, str]) -> BillLine:
    """账务明细: every movement of the merchant's balance. It knows no refund numbers."""
    income_fen, outgo_fen = (
        _signed_fen(row, "收入金额(+元)", optional=True),
        _signed_fen(row, "支出金额(-元)", optional=True),
    )
    return BillLine(
        _fund_kind(row["业务类型"]),
        fields.time_of(row["发生时间"], "发生时间"),
        amount_fen=abs(income_fen) - abs(outgo_fen),
        payment_no=row["商户订单号"],
        channel_transaction_id=row["业务流水号"],
        move_no=row["业务流水号"],
        entry_no=row.get("账务流水号", ""),
        row=row,
    )


def _fund_kind(word: str) -> BillLineKind:
    for kind, words in _FUND_WORDS:
        if any(part in word for part in words):
            return kind
    return BillLineKind.OTHER


_FUND_WORDS = (
    (BillLineKind.FEE, ("收费", "服务费", "手续费", "退费")),
    (BillLineKind.REFUND, ("退款",)),
    (BillLineKind.PAYMENT, ("支付", "交易", "收款")),
)

#: What we need of each kind of bill; the rest goes along in ``BillLine.row``.
_NEEDED = {
    BillKind.TRADES: {
        "支付宝交易号", "商户订单号", "业务类型", "创建时间", "完成时间", "订单金额(元)", "商家实收(元)",
        "退款批次号/请求号",
    },
    BillKind.FUNDS: {"业务流水号", "商户订单号", "发生时间", "收入金额(+元)", "支出金额(-元)", "业务类型"},
}  # fmt: skip


def _columns(kind: BillKind, text: str) -> list[str]:
    columns = [cell.strip().translate(_BRACKETS) for cell in text.split(",")]
    missing = _NEEDED[kind] - set(columns)
    if missing:
        raise Odd(f"columns are missing: {'、'.join(sorted(missing))}")
    if len(set(columns)) != len(columns):
        raise Odd("two columns of one name")
    return columns


def _row(columns: list[str], text: str) -> dict[str, str]:
    cells = _cells(text, len(columns))
    if len(cells) != len(columns):
        raise Odd(f"{len(cells)} cells under {len(columns)} columns")
    return dict(zip(columns, cells, strict=True))


def _cells(text: str, wanted: int) -> list[str]:
    """Alipay quotes nothing, so that a lone quote in somebody's product name is only that."""
    try:
        (cells,) = csv.reader([text], strict=True)
    except csv.Error:
        cells = []
    if len(cells) != wanted:
        cells = text.split(",")
    return [cell.strip() for cell in cells]


_BRACKETS = str.maketrans("（）＋－", "()+-")


def _lines(bill: IO[bytes]) -> Iterator[str]:
    """Lines without their ends; a blank one is none. No quoted cell runs over a line's end here."""
    while raw := bill.readline(MOST_LINE_BYTES + 1):
        if len(raw) > MOST_LINE_BYTES:
            raise Odd("the line is too long")
        try:
            text = raw.decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            raise Odd("not UTF-8") from None
        if text:
            yield text


def _signed_fen(row: Mapping[str, str], name: str, *, optional: bool = False) -> int:
    value = row.get(name, "")
    if optional and not value:
        return 0
    return _signed_fen_of(value, name)


def _signed_fen_of(value: str, name: str) -> int:
    digits = value[1:] if value.startswith(("+", "-")) else value
    return -fields.fen_of(digits, name) if value.startswith("-") else fields.fen_of(digits, name)


# --- Totals ----------------------------------------------------------------------------------------------------------


@dataclass
class _Sum:
    rows: int = 0
    amounts_fen: dict[str, int] = field(default_factory=dict)  # by column: the totals name one of them

    def add(self, amounts_fen: Mapping[str, int]) -> None:
        self.rows += 1
        for name, amount_fen in amounts_fen.items():
            self.amounts_fen[name] = self.amounts_fen.get(name, 0) + amount_fen


class _Totals:
    """``#交易合计：6笔，商家实收共0.06元，…`` must be what we have read."""

    def __init__(self) -> None:
        self._sums = {word: _Sum() for word in _SUMMED}
        self.unread = 0

    def count(self, line: BillLine) -> None:
        for word, belongs in _SUMMED.items():
            if belongs(line):
                names = [name for name in ("订单金额(元)", "商家实收(元)") if name in line.row]
                amounts_fen = {name: abs(_signed_fen(line.row, name)) for name in names}
                self._sums[word].add(amounts_fen or {"": abs(line.amount_fen)})

    def check(self, text: str) -> None:
        found = re.match(
            r"#+\s*(交易|退款|收入|支出)合计[：:]\s*([0-9]+)\s*笔[^0-9+-]*([+-]?[0-9]+(?:\.[0-9]+)?)?", text
        )
        if not found or self.unread:  # which total a row that cannot be read belongs to, nobody knows
            return
        counted = self._sums[found[1]]
        if int(found[2]) != counted.rows:
            raise Odd(f"{counted.rows} rows, {text}")
        if found[3] and abs(_signed_fen_of(found[3], "合计")) not in (counted.amounts_fen or {"": 0}).values():
            raise Odd(f"{counted.amounts_fen} fen, {text}")


_SUMMED: Mapping[str, Callable[[BillLine], bool]] = {
    "交易": lambda line: line.kind is BillLineKind.PAYMENT,
    "退款": lambda line: line.kind is BillLineKind.REFUND,
    "收入": lambda line: line.amount_fen > 0,
    "支出": lambda line: line.amount_fen < 0,
}
