"""付款账户: payments from one account at the channel are known as such, and nobody is named (P12)."""

from __future__ import annotations

import uuid

import pytest

import clock
from orders.placing import Wish
from payments import charging
from payments.channels import account
from payments.models import Payment
from payments.payers import payer_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid_by(buyer, make_product, simulator):
    """A paid payment: ``paid_by("Li", channel="alipay")``. None is somebody new."""

    def start(name, channel="wechat"):
        wish = Wish(again=True)
        payment = charging.checkout(make_product(), wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now(),
                                    way=charging.Way(account_code=channel))  # fmt: skip
        charging.present(payment, at=clock.now())
        simulator.post("pay", out_trade_no=payment.payment_no, payer=name)
        charging.look([payment], at=clock.now())
        return Payment.objects.get(pk=payment.pk)

    return start


@pytest.mark.parametrize("channel", ["wechat", "alipay"])
def test_payments_from_one_account_are_known_as_such(paid_by, channel):
    """P12."""
    first, again, another, unnamed = (bytes(paid_by(name, channel).payer_key) for name in ("Li", "Li", "Zhang", None))
    assert first == again
    assert len({first, another, unnamed}) == 3
    assert len(first) == 32


def test_the_payer_stands_nowhere(paid_by):
    """I15: neither the number that the channel knows them by, nor anything that it can be read from."""
    payment = paid_by("Li")
    told = charging.channels.gateway(payment.account).query_payment(payment.payment_no).payer
    row = Payment.objects.filter(pk=payment.pk).values().get()
    assert told
    assert told not in repr(row)
    assert bytes(payment.payer_key) == payer_key(payment.account, told)


def test_another_merchant_account_or_key_knows_another_payer(db, settings):
    wechat, alipay = account("wechat"), account("alipay")
    here = payer_key(wechat, "o-1")
    assert here != payer_key(alipay, "o-1")
    settings.SECRET_KEY = "another " * 8
    assert here != payer_key(wechat, "o-1")
    assert payer_key(wechat, "") is None
