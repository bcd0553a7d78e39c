"""A real browser at a shop's page: the bridge leads it to the till, the till back to the page."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from wechatpayv3 import WeChatPayType

PAGE = """<!doctype html><html lang="zh"><meta charset="utf-8"><title>商家</title><h1>商家的页面</h1>
<p id="ready"></p><p id="failure"></p><button>微信支付</button><script src="%(bridge)s"></script><script>
const parameters = %(parameters)s;
document.addEventListener("WeixinJSBridgeReady", () => { document.getElementById("ready").textContent = "可以支付"; });
document.querySelector("button").addEventListener("click", () => WeixinJSBridge.invoke(
  "getBrandWCPayRequest", parameters, (result) => { document.getElementById("failure").textContent = result.err_msg; }
));
</script></html>"""


@pytest.fixture
def shop() -> Iterator[Any]:
    """A server of one page; `shop.page` is what it shows, `shop.url` where."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.server.page.encode()  # type: ignore[attr-defined]
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.page, server.url = "", f"http://127.0.0.1:{server.server_address[1]}/orders/1?tab=pay"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def order(gateway: Any, shop: Any, deaf_url: str) -> dict[str, Any]:
    """What the shop signed for its page, and the number of the order."""
    number, client = gateway.new_number(), gateway.client
    answer = client.pay(
        "点卡",
        number,
        {"total": 1000, "currency": "CNY"},
        notify_url=deaf_url,
        payer={"openid": gateway.keys["openid"]},
        pay_type=WeChatPayType.JSAPI,
    )
    fields = {"appId": gateway.keys["appid"], "timeStamp": "1700000000", "nonceStr": uuid.uuid4().hex}
    fields["package"] = f"prepay_id={json.loads(answer[1])['prepay_id']}"
    fields |= {"signType": "RSA", "paySign": client.sign(list(fields.values()))}
    show(gateway, shop, fields)
    return fields | {"number": number}


def show(gateway: Any, shop: Any, fields: dict[str, Any]) -> None:
    shop.page = PAGE % {"bridge": f"{gateway.keys['gateway']}/bridge.js", "parameters": json.dumps(fields)}


def test_the_buyer_pays_at_the_till_and_is_back_at_the_shop(
    gateway: Any, shop: Any, page: Any, order: dict[str, Any]
) -> None:
    page.goto(shop.url)
    page.get_by_text("可以支付").wait_for()
    page.get_by_role("button", name="微信支付").click()
    page.get_by_role("button", name="确认支付").click()
    page.get_by_role("heading", name="商家的页面").wait_for()
    assert page.url == shop.url
    assert gateway.query(order["number"])["trade_state"] == "SUCCESS"


def test_the_buyer_cancels_and_is_back_at_the_shop(gateway: Any, shop: Any, page: Any, order: dict[str, Any]) -> None:
    page.goto(shop.url)
    page.get_by_role("button", name="微信支付").click()
    page.get_by_role("link", name="取消支付").click()
    page.get_by_role("heading", name="商家的页面").wait_for()
    assert page.url == shop.url
    assert gateway.query(order["number"])["trade_state"] == "NOTPAY"


def test_what_the_merchant_did_not_sign_is_refused_at_the_till(
    gateway: Any, shop: Any, page: Any, order: dict[str, Any]
) -> None:
    show(gateway, shop, order | {"nonceStr": "Another"})
    page.goto(shop.url)
    page.get_by_role("button", name="微信支付").click()
    page.get_by_role("heading", name="支付验证签名失败").wait_for()
    assert page.get_by_role("button", name="确认支付").count() == 0


def test_a_number_where_text_belongs_is_refused_by_the_bridge(
    gateway: Any, shop: Any, page: Any, order: dict[str, Any]
) -> None:
    show(gateway, shop, order | {"timeStamp": 1700000000})
    page.goto(shop.url)
    page.get_by_role("button", name="微信支付").click()
    page.get_by_text("get_brand_wcpay_request:fail").wait_for()
    assert page.url == shop.url
