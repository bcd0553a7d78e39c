"""What the buyer can pay from (付款方式)."""

from __future__ import annotations

from typing import NamedTuple


class Funding(NamedTuple):
    """`fund_channel` as Alipay names it; with a bank, refunds go back there (冲退), which takes the bank's time."""

    fund_channel: str
    bank: str | None = None


FUNDINGS = {
    "余额": Funding("ALIPAYACCOUNT"),
    "招商银行储蓄卡0403": Funding("BANKCARD", "CMB"),
}
