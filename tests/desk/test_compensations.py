"""平台赔付 at the desk: from an order's page; above the limit another person confirms or refuses it."""

from __future__ import annotations

import pytest

from ledger import balances
from orders.models import Compensation
from tests.desk.conftest import text

pytestmark = pytest.mark.django_db


def test_one_gives_it_and_above_the_limit_another_confirms_it(sits, finance, senior, buyer, buy):
    order = buy()
    seat, other = sits(finance), sits(senior)
    assert "¥500.00" in text(seat.dialog("compensate", order))  # the limit
    seat.does("compensate", order, amount="12.50", reason="等待过久", refund_no="", seen="0")
    assert balances.of_buyer(buyer.pk) == 1250
    page = seat.reads(seat.does("compensate", order, amount="12.50", reason="等待过久", refund_no="", seen="0"))
    assert "没有再次赔付" in page
    assert balances.of_buyer(buyer.pk) == 1250
    opened = seat.dialog("compensate", order).content.decode()
    assert "¥12.50 等待过久" in opened
    assert '<input type="hidden" name="seen" value="1"' in opened
    page = seat.reads(seat.does("compensate", order, amount="600", reason="再次出错", refund_no="", seen="1"))
    assert "请另一位同事" in page
    row = Compensation.objects.get(paid_at=None)
    seat.does("confirm", row, sure="on")
    assert balances.of_buyer(buyer.pk) == 1250
    other.does("confirm", row)  # not looked at
    assert balances.of_buyer(buyer.pk) == 1250
    assert "已入账" in other.reads(other.does("confirm", row, sure="on"))
    assert balances.of_buyer(buyer.pk) == 61_250


def test_refused_is_not_paid_and_nobody_else_may(sits, finance, cashier, reviewer, operator, buyer, buy):
    order = buy()
    for person in (reviewer, operator):
        assert sits(person).does("compensate", order, amount="1", reason="x", refund_no="").status_code == 403
    sits(finance).does("compensate", order, amount="600", reason="再次出错", refund_no="", seen="0")
    row = Compensation.objects.get()
    sits(cashier).does("refuse", row, sure="on")
    row.refresh_from_db()
    assert (row.paid_at, row.refused_at is not None, balances.of_buyer(buyer.pk)) == (None, True, 0)
