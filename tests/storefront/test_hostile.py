"""What only a hostile hand sends, or an honest one too much of: 4xx in our look, nothing lost, never a 500."""

from __future__ import annotations

import io
import json
from wsgiref.util import setup_testing_defaults

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client

from accounts.models import User
from refunds.models import DraftImage
from tests.cases import CARD
from tests.cast import PASSWORD
from tests.storefront.conftest import words

pytestmark = pytest.mark.django_db


def test_the_shop_never_reads_where_the_buyers_money_went(
    client, shopper, merchant, buy_by_card, released, ends_as, finance
):
    refund = ends_as(released(buy_by_card()), "SUCCESS")
    assert refund.received_account == CARD
    client.force_login(merchant)
    page = words(client.get(f"/shop/refunds/{refund.refund_no}/"))
    assert "钱款去向" in page
    assert "招商银行" not in page
    assert "卡0403" not in page
    assert words(shopper.get(f"/refunds/{refund.refund_no}/")).count("卡0403") == 2


@pytest.mark.parametrize("key", [r'"aaaa\000bbbb"', "aaaa-bbbb-cccc", "%00aaaaaaaa", "ａａａａａａａａ"])
def test_a_session_cookie_that_is_none_of_ours_is_nobodys(key):
    stranger = Client(HTTP_COOKIE=f"sessionid={key}".encode().decode("latin-1"))
    assert stranger.get("/accounts/login/").status_code == 200
    assert stranger.get("/orders/").headers["Location"].startswith("/accounts/login/")
    assert stranger.get("/api/refunds/").status_code == 401


def test_a_real_session_cookie_is_left_alone(shopper):
    assert shopper.get("/orders/").status_code == 200


def enters(path: str, query: str, content_type: str) -> tuple[int, str, str]:
    """A GET through the entrance that gunicorn uses: (status, content type, body)."""
    from cardshop.wsgi import application

    environ = {"PATH_INFO": path, "QUERY_STRING": query, "HTTP_HOST": "testserver", "CONTENT_TYPE": content_type}
    setup_testing_defaults(environ)
    said: list[tuple[str, list[tuple[str, str]]]] = []
    signals = [request_started, request_finished]
    for signal in signals:  # a test's connection outlives its requests, as in Django's own client
        signal.disconnect(close_old_connections)
    try:
        answer = application(environ, lambda status, headers: said.append((status, headers)))
        body = b"".join(answer).decode()
        answer.close()
    finally:
        for signal in signals:
            signal.connect(close_old_connections)
    status, headers = said[0]
    return int(status[:3]), dict(headers)["Content-Type"], body


@pytest.mark.parametrize(
    "charset",
    ["=rot13", "=undefined", "=base64", "=idna", "=punycode", "=utf-16", "=gbk", "=none", "*=nobody''utf-8"],
)
def test_only_utf8_is_read(charset):
    """X15. Python would decode the query by nearly any of them."""
    status, _, body = enters("/", "after=1", f"text/plain; charset{charset}")
    assert (status, "请求无法识别" in body) == (400, True)
    status, media_type, body = enters("/api/refunds/", "status=x", f"text/plain; charset{charset}")
    assert (status, media_type, json.loads(body)["code"]) == (400, "application/problem+json", "malformed")


def test_the_charset_of_a_notification_is_its_gateways_affair():
    """Alipay may speak GBK; the door lets it through, and the address itself says that it takes POST alone."""
    kind = "application/x-www-form-urlencoded; charset=GBK"
    assert enters("/notify/alipay/payment", "", kind)[0] == 405


@pytest.mark.parametrize("content_type", ["text/plain; charset=UTF-8", 'a/b; charset="utf-8"', "a/b; charset=utf8", ""])
def test_utf8_is_read_however_it_is_spelled(content_type):
    assert enters("/", "after=1", content_type)[0] == 200


@pytest.mark.parametrize("back", ["abc", "?a", "#x", "a b", "account_login", "storefront:orders", "../admin/", ""])
def test_the_language_leads_to_addresses_not_to_names_of_views(client, back):
    answer = client.post("/language/", {"language": "en", "next": back})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


def test_there_is_no_way_to_clear_a_picture_that_is_sent(shopper, buy, apply, reveal, reviewer, picture):
    import clock
    from refunds import lifecycle

    dear = buy(price_fen=8800)
    reveal(dear)
    case = apply(dear)
    lifecycle.request_evidence([case], by=reviewer, at=clock.now(), note="请补充截图")
    sent = {"note": "见图", "images": picture(), "images-clear": "on"}
    assert shopper.post(f"/refunds/{case.refund_no}/evidence/", sent).status_code == 302
    assert case.evidence.exclude(image="").count() == 1


def test_too_many_photos_are_told_and_nothing_typed_is_lost(shopper, buy, reveal, picture):
    order = buy(price_fen=3000)
    reveal(order)
    place = f"/orders/{order.order_no}/refund/"
    shopper.post(place, {"reason": "invalid_code"})
    for color in ["red", "green", "blue", "white", "black", "orange"]:
        shopper.post(f"{place}material/", {"upload": "other", "picture-other": picture(_painted(color))})
    sent = {"description": "11月20日兑换", "upload": "other", "picture-other": picture()}
    answer = shopper.post(f"{place}material/", sent)
    page = words(answer)
    assert answer.status_code == 200
    assert "最多 6 张图片" in page
    assert "11月20日兑换" in page
    assert DraftImage.objects.count() == 6


def _painted(color: str) -> bytes:
    from PIL import Image

    canvas = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(canvas, "PNG")
    return canvas.getvalue()


def signs_up(client: Client, username: str) -> str:
    form = {"username": username, "email": "new@example.com", "password1": PASSWORD, "password2": PASSWORD}
    answer = client.post("/accounts/signup/", form)
    return words(answer) if answer.status_code == 200 else ""


@pytest.mark.parametrize("lookalike", ["ＡＤＭＩＮ", "аdmin", "客服", "admin⁠x", "a@b", "a+b"])
def test_nobody_is_called_like_a_colleague_in_other_letters(client, lookalike):
    assert "用户名只能用英文字母、数字和 . _ - 三种符号。" in signs_up(client, lookalike)
    assert not User.objects.exists()


def test_a_name_is_taken_whatever_its_case(client, operator):
    assert "用户名" in signs_up(client, "OPERATOR")
    assert not User.objects.exclude(pk=operator.pk).exists()
    assert signs_up(client, "new.buyer_1-a") == ""
    assert User.objects.filter(username="new.buyer_1-a").exists()
