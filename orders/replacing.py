"""补发: another code from stock for a line whose code does not work; the old one is the shop's again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from accounts.models import User
from orders import history
from orders.models import Delivery, Order, OrderLine, OrderStep, Replacement
from shops import stock
from shops.models import CardCode, Fulfilment


def is_possible(lines: Sequence[OrderLine]) -> bool:
    """Whether every line has a code, and its product enough others in stock."""
    wanted: dict[int, int] = defaultdict(int)
    for line in lines:
        delivery = getattr(line, "delivery", None)
        if line.fulfilment != Fulfilment.CODES or delivery is None or delivery.code_id is None:
            return False
        wanted[line.product_id] += 1
    return bool(lines) and all(stock.available(product, up_to=count) >= count for product, count in wanted.items())


def replace(order: Order, lines: Sequence[OrderLine], *, at: datetime, by: User | None) -> None:
    """Each line gets a new code; the old ones are taken back, unseen or seen. The order is locked by the caller.

    Raises stock.SoldOut: nothing has changed then.
    """
    deliveries = list(Delivery.objects.filter(line__in=lines, code__isnull=False).order_by("pk"))
    new = _fresh_codes(lines, at, by)
    old = stock.lock(CardCode.objects.filter(pk__in=[row.code_id for row in deliveries]))
    stock.retire(old, at=at, by=by)
    taken_back: dict[UUID | None, CardCode] = {code.pk: code for code in old}
    for row in deliveries:
        code = new[row.line_id]
        Replacement.objects.create(line_id=row.line_id, old_code=taken_back[row.code_id], new_code=code, at=at)
        row.code, row.delivered_at = code, at
    Delivery.objects.bulk_update(deliveries, ["code", "delivered_at"])
    history.record([order], OrderStep.REPLACE, at=at, by=by)


def _fresh_codes(lines: Sequence[OrderLine], at: datetime, by: User | None) -> dict[int, CardCode]:
    """{line: a code from stock, delivered}."""
    wanted: dict[int, list[OrderLine]] = defaultdict(list)
    for line in lines:
        wanted[line.product_id].append(line)
    found: dict[int, CardCode] = {}
    for product, of_product in sorted(wanted.items()):
        codes = stock.reserve(product, len(of_product), at=at, by=by)
        stock.deliver(codes, at=at)
        found |= {line.pk: code for line, code in zip(of_product, codes, strict=True)}
    return found
