"""What reconciling a day costs: a bill read, staged and compared with our books, against reading its lines alone.

Runs in a process of its own, on an embedded PostgreSQL of its own, in an environment like production's; ``measure``
starts it and reads what it found. Memory is Python's own, at its peak, for a bill of a tenth and for the whole. Each
channel has a bill of its own of that many lines.
"""

from __future__ import annotations

import io
import sys
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import IO, TYPE_CHECKING, Any

from bench import apart

if TYPE_CHECKING:
    from payments.gateways.base import BillFlaw, BillKind, BillLine
    from payments.models import ChannelAccount

MOST_TIMES, MOST_GROWTH = 4.0, 1.2
CHANNELS = ("wechat", "alipay")
COLUMNS = (
    "交易时间,微信订单号,商户订单号,交易状态,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款状态,"
    "商品名称,手续费,订单金额,申请退款金额"
)
TOTALS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
ALIPAY_COLUMNS = (
    "支付宝交易号,商户订单号,业务类型,创建时间,完成时间,订单金额（元）,商家实收（元）,退款批次号/请求号,服务费（元）"
)


@dataclass(frozen=True)
class Found:
    """Of all channels. ``reading_seconds``: of the lines alone; ``differ``: differences found, one is planted for each
    channel; ``peaks``: bytes, for a tenth and for the whole, channel by channel."""

    lines: int
    differ: int
    seconds: float
    reading_seconds: float
    peaks: tuple[int, ...]


def measure(*, lines: int) -> Found:
    """Raises CalledProcessError if the other process fails."""
    return Found(**apart.measured("bench.reconciliation", lines))


def figures(found: Found) -> Iterator[tuple[str, float, float, str]]:
    """(name, value, the most it may be, detail), as ``bench.__main__`` prints them."""
    rate = f"{found.lines / found.seconds:,.0f} lines/s, {found.differ} of {len(CHANNELS)} planted differences found"
    yield "reconciling a day: time ÷ reading its bill", found.seconds / found.reading_seconds, MOST_TIMES, rate
    pairs = list(zip(found.peaks[::2], found.peaks[1::2], strict=True))
    detail = ", ".join(f"{large / 2**20:.1f} / {small / 2**20:.1f} MiB" for small, large in pairs)
    growth = max(large / small for small, large in pairs)
    yield "reconciling a day: memory, all ÷ a tenth", growth, MOST_GROWTH, detail


def run(lines: int) -> Found:
    """In an empty database."""
    import logging

    import django

    django.setup()
    logging.disable(logging.WARNING)
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    each = [of_channel(channel, lines, 10 * number * lines) for number, channel in enumerate(CHANNELS)]
    return Found(
        sum(found.lines for found in each),
        sum(found.differ for found in each),
        sum(found.seconds for found in each),
        sum(found.reading_seconds for found in each),
        tuple(peak for found in each for peak in found.peaks),
    )


def of_channel(channel: str, lines: int, first: int) -> Found:
    """``first``: payments of this channel are counted from there on."""
    from payments.models import ChannelAccount
    from reconciliation.models import Discrepancy

    account = ChannelAccount.objects.create(code=f"bench-{channel}", channel=channel, name="bench", merchant_id="1")
    day = date.today() - timedelta(days=9)
    for number, (count, offset) in enumerate(((lines // 10, 0), (lines, lines), (lines, 3 * lines))):
        paid(account, day + timedelta(days=2 * number), count, first + offset)
    peaks = tuple(peak(account, day + timedelta(days=2 * n), bill) for n, bill in enumerate((
        bill_of(channel, day, lines // 10, first), bill_of(channel, day + timedelta(days=2), lines, first + lines)
    )))  # fmt: skip
    bill = bill_of(channel, day + timedelta(days=4), lines - 1, first + 3 * lines)
    began = time.perf_counter()
    count = sum(1 for _ in Reader(channel).scan_bill(kind(), bill))
    reading = time.perf_counter() - began
    began = time.perf_counter()
    reconcile(account, day + timedelta(days=4), bill)
    seconds = time.perf_counter() - began
    differ = Discrepancy.objects.filter(statement__account=account).count()
    return Found(count + 1, differ, seconds, reading, peaks)


def kind() -> BillKind:
    from payments.gateways.base import BillKind

    return BillKind.TRADES


@dataclass(frozen=True)
class Reader:
    """A gateway's reading half."""

    channel: str

    def scan_bill(self, kind: BillKind, bill: IO[bytes]) -> Iterator[BillLine | BillFlaw]:
        from payments.gateways.alipay import bills as alipay
        from payments.gateways.wechat import bills as wechat

        bill.seek(0)
        return (wechat if self.channel == "wechat" else alipay).scan(kind, bill)


def peak(account: ChannelAccount, day: date, bill: IO[bytes]) -> int:
    tracemalloc.start()
    reconcile(account, day, bill)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def reconcile(account: ChannelAccount, day: date, bill: IO[bytes]) -> None:
    import clock
    from reconciliation import matching, statements
    from reconciliation.models import Statement

    at = clock.now()
    statement = Statement.objects.create(account=account, kind=kind().value, day=day, created_at=at, next_due_at=at)
    statements.stage(statement, Reader(account.channel), kind(), bill)
    statement.status, statement.downloaded_at = "downloaded", at
    statement.save()
    matching.compare(statement, at=at)


def bill_of(channel: str, day: date, count: int, offset: int) -> IO[bytes]:
    bill = io.BytesIO()
    for line in (wechat_bill if channel == "wechat" else alipay_bill)(day, count, offset):
        bill.write(f"{line}\r\n".encode())
    bill.seek(0)
    return bill


def wechat_bill(day: date, count: int, offset: int) -> Iterator[str]:
    yield COLUMNS
    for n in range(offset, offset + count):
        yield (
            f"`{day} 12:00:00,`T{n:020d},`P{n:016d},`SUCCESS,`10.00,`0.00,`0,`0,`0.00,`0.00,`,`点卡,`0.06000,`10.00,"
            "`0.00"
        )
    yield TOTALS
    yield f"`{count},`{count * 10}.00,`0.00,`0.00,`{count * 6 / 100:.5f},`{count * 10}.00,`0.00"


def alipay_bill(day: date, count: int, offset: int) -> Iterator[str]:
    yield "#支付宝业务明细查询"
    yield ALIPAY_COLUMNS
    for n in range(offset, offset + count):
        yield f"T{n:020d}\t,P{n:016d}\t,交易\t,{day} 12:00:00,{day} 12:00:00,10.00,10.00,\t,-0.06"
    yield "#业务明细列表结束"
    yield f"#交易合计：{count}笔，商家实收共{count * 10}.00元"


def paid(account: ChannelAccount, day: date, count: int, offset: int) -> None:
    """What was paid that day: rows without their orders, which nobody here asks for."""
    from django.db import connection, transaction

    given: dict[str, Any] = {"account": account.pk, "first": offset, "last": offset + count - 1}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(PAID, given | {"noon": f"{day} 12:00:00+08"})
        cursor.execute("ANALYZE payments_payment")


PAID = """
INSERT INTO payments_payment (
    payment_no, order_id, account_id, amount_fen, status, is_surplus, method, payer_id, return_url, till,
    channel_transaction_id, created_at, expires_at, paid_at, reserved_fen, refunded_fen, balance_fen, external_fen,
    transferred_fen, last_attempt_index, last_error, tries)
SELECT 'P' || lpad(n::text, 16, '0'), n, %(account)s, 1000, 'paid', false, 'scan', '', '', '',
       'T' || lpad(n::text, 20, '0'), %(noon)s, %(noon)s, %(noon)s, 0, 0, 0, 0, 0, 0, '', 0
  FROM generate_series(%(first)s, %(last)s) AS n
"""

if __name__ == "__main__":
    sys.exit(apart.main(run))
