"""沟通记录: the talk of an order as a text to keep: time, who (工号), what was said, what was warned of (S1-26).

What somebody said is indented, so that nobody writes a line that looks like the next speaker's. Codes were masked
before they were written (PM16).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from django.utils import timezone
from django.utils.translation import gettext as _

from orders import talk
from orders.models import Order
from orders.talk import Said

MOST = 5000  # messages in one file: the latest


def of(order: Order, *, at: datetime) -> str:
    """The whole talk, the oldest message first. One query beside the order's own."""
    conversation = talk.read(order, most=MOST)
    lines = chain(_head(order, len(conversation.said), at), *(_lines(said) for said in conversation.said))
    cut = [_("（更早的留言没有导出）")] if conversation.earlier else []
    return "\n".join([*lines, *cut, ""])


def _head(order: Order, count: int, at: datetime) -> Iterator[str]:
    yield _("订单 %(number)s 的沟通记录") % {"number": order.order_no}
    yield _("店铺：%(shop)s") % {"shop": order.shop.name}
    yield _("导出时间：%(at)s（北京时间），共 %(count)d 条") % {"at": _moment(at), "count": count}
    yield ""


def _lines(said: Said) -> Iterator[str]:
    message = said.message
    call = f" · {message.get_call_display()} {_moment(message.called_at)}" if message.called_at else ""
    yield f"[{_moment(message.at)}] {said.number} {said.name}{call}"
    for line in message.text.splitlines():
        yield f"    {line}"
    for warning in said.warnings:
        yield "    " + _("！提醒：%(warning)s") % {"warning": warning}
    yield ""


def _moment(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"
