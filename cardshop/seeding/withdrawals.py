"""演示提现: what is settled of the oldest orders, and two withdrawals of a shop: one to be approved, one to be paid."""

from __future__ import annotations

from datetime import datetime, timedelta

from accounts.models import User
from orders import watch
from payments import payees, transfers
from payments.transfer_models import PayeeKind
from refunds import settlement
from shops.models import ShopMember

PAYEE = payees.Account(PayeeKind.BANK, "杭州云影数字科技有限公司", "6225 8801 2345 6789", "招商银行杭州分行")
TO_PAY_FEN, TO_APPROVE_FEN = 12_000, 8_000


def ask(people: dict[str, User], at: datetime) -> None:
    """As the worker does: orders are completed and settled; then the shop's owner asks, and finance2 approves one."""
    watch.sweep(at=at)
    while settlement.sweep(at=at):
        pass
    owner = people["merchant2"]
    shop = ShopMember.objects.select_related("shop").get(user=owner).shop
    payees.lay_down(PAYEE, by=owner, at=at - timedelta(days=5), shop=shop)
    first = transfers.withdraw(
        shop, amount_fen=TO_PAY_FEN, by=owner, at=at - timedelta(hours=20), verified_by="password"
    )
    transfers.approve(first, by=people["finance2"], at=at - timedelta(hours=2))
    transfers.withdraw(shop, amount_fen=TO_APPROVE_FEN, by=owner, at=at - timedelta(hours=1), verified_by="password")
