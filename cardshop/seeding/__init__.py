"""演示数据: shops, goods, and fourteen days of orders and refunds, with the same history in the simulator's books.

Nothing here writes a status. Every order and every refund lives through the same functions as a real one, at times that
lie in the past; what the channel says about them is asked over the wire.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts.models import User
from cardshop.seeding import books, differences, goods, living, people, questions, stories, withdrawals
from ledger import daily
from notices.models import Notice
from orders.models import Order

__all__ = ["SeedRefused", "seed"]


class SeedRefused(Exception):
    """Why the demo data cannot be made; the message says what to do."""


def seed(*, at: datetime) -> str:
    """Make the demo data, once. Returns what was done, in one line."""
    if not settings.DEMO:
        raise SeedRefused("演示数据只能在演示环境中生成 / demo data needs DEMO=1")
    if User.objects.filter(username=people.LAST[0]).exists():
        return f"演示数据已存在 / demo data is there already{_for_guests()}"
    if User.objects.exists():
        raise SeedRefused("上次生成中断 / the last seeding was interrupted: make demo RESET=1")
    opened = at - timedelta(days=people.DAYS_OPEN)
    cast = people.make(people.LOGINS, joined=opened)
    products = goods.make(cast, at)
    control = books.address()
    told = stories.all_of_them(differences.stories(at)) if control else []
    living.live_through(told, cast, products, control, at)
    questions.ask(told, cast, at)
    if control:
        withdrawals.ask(cast, at)
        differences.plant(told, control, at)
    daily.count(at=at)
    Notice.objects.filter(created_at__lt=at - timedelta(days=2)).update(read_at=at)
    with transaction.atomic():
        admin = people.make([people.LAST], joined=opened)["admin"]  # says that all the rest is there
        goods.announce(admin, at)
    return f"{len(products)} 件商品 / products, {len(told)} 张订单 / orders{_for_guests()}"


def _for_guests() -> str:
    """How a guest finds the latest of their orders: its number is not the same in two demos."""
    order = Order.objects.filter(buyer__is_guest=True).order_by("-pk").first()
    if order is None:
        return ""
    return f"；访客订单 / guest order {order.order_no}，查询密码 / query password {people.QUERY_PASSWORD}"
