"""The shop at a server that it did not start, known by environment variables alone: both channels pay and refund.

That server is a simulator over HTTPS, run by itself; nothing tells the shop that it is ours.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certifi
import pytest

from tests.demo_stack import ROOT, demo, demo_folder, eventually

pytestmark = pytest.mark.stack

BUY = """
import uuid, clock
from accounts.models import User
from orders.placing import Wish
from payments import charging
from payments.gateways.base import PayMethod
from shops.models import Product
product = Product.objects.filter(price_fen__lt=5000).order_by("pk").first()
buyer = User.objects.get(username="buyer")
way = charging.Way("{channel}", PayMethod.SCAN)
payment = charging.checkout(product, Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now(), way=way)
payment = charging.start(payment.order, way, at=clock.now())
assert payment.till, payment.last_error
print("number", payment.payment_no)
"""
APPLY = """
import clock
from payments.models import Payment
from refunds import applying
order = Payment.objects.get(payment_no="{number}").order
what = applying.Application(reason="changed_mind", description="", contact="", images=[])
applying.submit(order, what, by=order.buyer, at=clock.now())
"""
STANDS = """
from payments.models import Payment
order = Payment.objects.get(payment_no="{number}").order
print("order", order.status, *order.refunds.values_list("status", flat=True))
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Another server's credentials; ``ask`` is its control plane."""
    words = [sys.executable, "-m", "simulator", "--port", "0", "--data", str(tmp_path), "--tls", "--speed", "600"]
    server = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        server.stdout.readline()
        yield json.loads((tmp_path / "credentials.json").read_text())
    finally:
        server.terminate()
        server.communicate()


def test_environment_variables_alone_lead_to_another_server(elsewhere: dict[str, Any], tmp_path: Path) -> None:
    with demo_folder() as data, demo(data, **variables(elsewhere, tmp_path)) as shop:
        shop.wait_until_ready()
        assert "simulator" not in shop.facts["pids"]
        for channel in ("wechat", "alipay"):
            number = said(shop.manage("shell", "-v0", "-c", BUY.format(channel=channel)), "number")[0]
            ask(elsewhere, "pay", out_trade_no=number)
            eventually(lambda number=number: stands(shop, number)[0] == "delivered", 60, f"{channel}: not paid")
            shop.manage("shell", "-v0", "-c", APPLY.format(number=number))
            eventually(lambda number=number: stands(shop, number)[1:] == ["arrived"], 90, f"{channel}: not arrived")
            (row,) = [row for row in ask(elsewhere, "ledger")["refunds"] if row["out_trade_no"] == number]
            assert (row["channel"], row["effects"], row["status"]) == (channel, 1, "SUCCESS")


def variables(credentials: dict[str, Any], folder: Path) -> dict[str, str]:
    """What README tells an operator to set, and the authority that signed that server's certificate."""
    wechat, alipay = credentials["wechat"], credentials["alipay"]
    bundle = folder / "bundle.pem"
    bundle.write_text(Path(certifi.where()).read_text() + Path(credentials["ca_file"]).read_text())
    texts = {
        "WECHAT_APIV3_KEY_FILE": wechat["apiv3_key"],
        "WECHAT_PRIVATE_KEY_FILE": wechat["private_key"],
        "WECHAT_PUBLIC_KEY_FILE": wechat["public_key"],
        "ALIPAY_APP_PRIVATE_KEY_FILE": alipay["app_private_key"],
        "ALIPAY_PUBLIC_KEY_FILE": alipay["alipay_public_key"],
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return {
        **{name: str(folder / name) for name in texts},
        "REQUESTS_CA_BUNDLE": str(bundle),
        "WECHAT_GATEWAY": wechat["gateway"],
        "WECHAT_MCHID": wechat["mchid"],
        "WECHAT_APPID": wechat["appid"],
        "WECHAT_CERT_SERIAL_NO": wechat["cert_serial_no"],
        "WECHAT_PUBLIC_KEY_ID": wechat["public_key_id"],
        "ALIPAY_GATEWAY": alipay["gateway"],
        "ALIPAY_APP_ID": alipay["app_id"],
        "ALIPAY_SELLER_ID": alipay["seller_id"],
    }


def stands(shop: Any, number: str) -> list[str]:
    return said(shop.manage("shell", "-v0", "-c", STANDS.format(number=number)), "order")


def said(output: str, word: str) -> list[str]:
    (line,) = [line for line in output.splitlines() if line.startswith(word)]
    return line.split()[1:]


def ask(credentials: dict[str, Any], act: str, **data: Any) -> dict[str, Any]:
    body = json.dumps(data).encode() if data else None
    request = urllib.request.Request(f"{credentials['control']}/_control/{act}", body)
    request.add_header("Content-Type", "application/json")
    trusted = ssl.create_default_context(cafile=credentials["ca_file"])
    with urllib.request.urlopen(request, timeout=30, context=trusted) as answer:
        return json.loads(answer.read())  # type: ignore[no-any-return]
