"""A hundred refunds in a running demo, from outside its processes: `python -m tests.chaos.hundred ask|release TAG`.

`ask` lets the buyer pay for a hundred codes, look at them and ask for the money back; `release` lets the shop disagree,
support approve and finance release what was asked for, five at a time, for as long as it takes.
"""

from __future__ import annotations

import sys
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor

import django

from tests.demo_stack import eventually

HUNDRED = 100
AT_A_TIME = 5


def ask(tag: str) -> None:
    """Orders really paid at the simulator, codes looked at, refunds applied for; the machine does the rest."""
    import clock
    from accounts.models import User
    from orders import delivery
    from orders.placing import MOST_UNPAID_UNITS, Wish
    from payments import charging
    from payments.models import Payment
    from refunds import applying
    from shops import stock
    from shops.models import Product
    from shops.stock import Viewer

    buyer = User.objects.create(username=f"chaos-{tag.lower()}")  # nobody else's unpaid orders count against the cap
    model = Product.objects.filter(shop__members__isnull=False).first()
    product = Product.objects.create(
        shop=model.shop, policy=model.policy, name=f"混沌点卡 {tag}", price_fen=100, created_at=clock.now()
    )
    stock.add(product, [f"CHAOS-{uuid.uuid4()}" for _ in range(HUNDRED)], at=clock.now())
    payments = []
    while len(payments) < HUNDRED:
        some = [
            charging.checkout(product, Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())
            for _ in range(MOST_UNPAID_UNITS)
        ]
        charging.look(some, at=clock.now())  # all QR codes
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(pay, [payment.payment_no for payment in some]))
        for payment in some:
            payment.refresh_from_db()
        charging.look([payment for payment in some if payment.status == "open"], at=clock.now())
        # Where the worker asks at the same time, its answer is the one that is written: until then the order is unpaid.
        unpaid = Payment.objects.filter(pk__in=[payment.pk for payment in some]).exclude(status="paid")
        eventually(lambda unpaid=unpaid: not unpaid.exists(), 60, "paid, and not found paid")  # type: ignore[misc]
        payments += some
    for payment in payments:
        viewer = Viewer(buyer, "203.0.113.7", "chaos")
        delivery.reveal(payment.order.lines.get(), viewer=viewer, at=clock.now())
        words = applying.Application("invalid_code", description=f"{tag}：提示卡密已使用")
        applying.submit(payment.order, words, by=buyer, at=clock.now())


def release(tag: str) -> None:
    """The shop leaves it to support, support approves, finance releases, a few at a time, while things break."""
    import clock
    from accounts.models import User
    from refunds import disbursement, lifecycle
    from refunds.models import Refund, Status
    from shops.models import ShopMember, ShopRole

    support, finance = User.objects.get(username="support"), User.objects.get(username="finance")
    waiting = list(Refund.objects.filter(description__startswith=tag, status=Status.MERCHANT_REVIEW).order_by("pk"))
    owner = ShopMember.objects.get(shop=waiting[0].shop, role=ShopRole.OWNER).user
    for start in range(0, len(waiting), AT_A_TIME):
        few = waiting[start : start + AT_A_TIME]
        lifecycle.contest(few, by=owner, at=clock.now(), note="请平台核对")
        lifecycle.approve(few, by=support, at=clock.now())
        disbursement.release(few, by=finance, at=clock.now())


def pay(payment_no: str) -> None:
    from django.conf import settings

    address = f"{settings.WECHAT['gateway']}/_control/pay"
    body = f'{{"out_trade_no": "{payment_no}"}}'.encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=30).close()


if __name__ == "__main__":
    django.setup()
    {"ask": ask, "release": release}[sys.argv[1]](sys.argv[2])
