"""Whatever is sent, the answer is 4xx with a sentence, never 5xx, and nothing changes (X9, X15)."""

from __future__ import annotations

import base64
import io
import json
import struct
from typing import Any

import pytest

from orders.models import Order
from refunds.models import Refund, RefundEvent, Status
from tests.cases import CARD

pytestmark = pytest.mark.django_db

NUL, SURROGATE = "a\x00b", "a\ud800b"
HUGE = 10**400


@pytest.fixture
def case(buy, reveal, apply):
    order = buy(price_fen=8800)
    reveal(order)
    return apply(order)


@pytest.fixture
def unasked(buy):
    """A paid order without a refund."""
    return buy(price_fen=3000, quantity=2)


def rows() -> tuple[Any, ...]:
    """Everything that a request could have changed."""
    return (
        list(Refund.objects.order_by("pk").values("pk", "status", "amount_fen", "buyer_id", "order_id", "queue")),
        RefundEvent.objects.count(),
        list(Order.objects.order_by("pk").values()),
    )


APPLICATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no reason": ({"reason": None}, "reason"),
    "reason not in the list": ({"reason": "because"}, "reason"),
    "reason with a NUL": ({"reason": NUL}, "reason"),
    "reason with a lone surrogate": ({"reason": SURROGATE}, "reason"),
    "reason as a list": ({"reason": ["late"]}, "reason"),
    "reason that needs words": ({"reason": "other"}, "description"),
    "description with a NUL": ({"description": NUL}, "description"),
    "description with a lone surrogate": ({"description": SURROGATE}, "description"),
    "description too long": ({"description": "字" * 1001}, "description"),
    "description as an object": ({"description": {}}, "description"),
    "contact too long": ({"contact": "1" * 61}, "contact"),
    "amount of nothing": ({"amount_fen": 0}, "amount_fen"),
    "amount below nothing": ({"amount_fen": -1}, "amount_fen"),
    "amount above the order": ({"amount_fen": 6001}, "amount_fen"),
    "amount beyond the column": ({"amount_fen": 2**31}, "amount_fen"),
    "amount beyond any number": ({"amount_fen": HUGE}, "amount_fen"),
    "amount as a fraction": ({"amount_fen": 0.5}, "amount_fen"),
    "amount in words": ({"amount_fen": "all"}, "amount_fen"),
    "amount yes": ({"amount_fen": True}, "amount_fen"),
    "amount null": ({"amount_fen": None}, "amount_fen"),
    "no line": ({"line_ids": []}, "line_ids"),
    "lines as a word": ({"line_ids": "1"}, "line_ids"),
    "a line that is not ours": ({"line_ids": [2**62]}, "line_ids"),
    "a line beyond the column": ({"line_ids": [2**63]}, "line_ids.0"),
    "a line below nothing": ({"line_ids": [-1]}, "line_ids.0"),
    "too many lines": ({"line_ids": list(range(1, 60))}, "line_ids"),
    "order number too long": ({"order_no": "D" * 21}, "order_no"),
    "order number with a NUL": ({"order_no": NUL}, "order_no"),
    "order number with a lone surrogate": ({"order_no": SURROGATE}, "order_no"),
    "somebody else as buyer": ({"buyer": 1}, "buyer"),
    "somebody else as asker": ({"asked_by": 1, "by": 1}, "asked_by"),
    "a status": ({"status": "approved"}, "status"),
    "a lane": ({"lane": "undelivered"}, "lane"),
    "a field with a lone surrogate for a name": ({SURROGATE: 1}, "a?b"),
}


@pytest.mark.parametrize(("change", "blamed"), APPLICATIONS.values(), ids=APPLICATIONS)
def test_an_application_that_is_wrong_names_the_field(api, unasked, buyer, change, blamed):
    before = rows()
    body = {"order_no": unasked.order_no, "reason": "late"} | change
    answer = api(buyer).post("/api/refunds/", body)
    assert answer.status_code == 400, answer.content
    assert blamed in answer.json()["fields"]
    assert answer.json()["detail"]
    assert rows() == before


BODIES: dict[str, tuple[bytes, str, int]] = {
    "nothing": (b"", "application/json", 400),
    "half an object": (b'{"order_no": ', "application/json", 400),
    "not text": (b"\xff\xfe\x00", "application/json", 400),
    "NaN": (b'{"amount_fen": NaN}', "application/json", 400),
    "Infinity": (b'{"amount_fen": -Infinity}', "application/json", 400),
    "beyond a float": (b'{"order_no": "D", "reason": "late", "amount_fen": 1e999}', "application/json", 400),
    "a number of 5000 digits": (b'{"amount_fen": ' + b"9" * 5000 + b"}", "application/json", 400),
    "a list": (b"[]", "application/json", 400),
    "a word": (b'"refund"', "application/json", 400),
    "null": (b"null", "application/json", 400),
    "a deep list": (b"[" * 100_000 + b"]" * 100_000, "application/json", 400),
    "a deep object": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "application/json", 400),
    "ten megabytes": (b'{"description": "' + b"a" * 10_000_000 + b'"}', "application/json", 413),
    "a form": (b"order_no=D&reason=late", "application/x-www-form-urlencoded", 415),
    "XML": (b"<refund/>", "application/xml", 415),
    "no type": (b"{}", "", 415),
    "an unreadable type": (b"{}", "json", 415),
}


@pytest.mark.parametrize(("body", "content_type", "status"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("path", ["/api/refunds/", "/api/refunds/release/", "steps/reject/"])
def test_a_body_that_is_not_json_is_the_senders_mistake(api, case, buyer, finance, path, body, content_type, status):
    before = rows()
    person = buyer if path == "/api/refunds/" else finance
    address = path if path.startswith("/") else f"/api/refunds/{case.refund_no}/{path}"
    answer = api(person).post(address, body, content_type=content_type)
    assert answer.status_code == status, answer.content[:500]
    assert answer["Content-Type"] == "application/problem+json"
    assert rows() == before


QUERIES: dict[str, str] = {
    "status with a NUL": "/api/refunds/?status=%00",
    "status that is none": "/api/refunds/?status=gone",
    "a parameter that is none": "/api/refunds/?buyer=1",
    "a cursor that is none": "/api/refunds/?cursor=abc",
    "a cursor with a NUL": "/api/refunds/?cursor=" + base64.b64encode(b"p=%00").decode(),
    "a cursor with no time": "/api/refunds/?cursor=" + base64.b64encode(b"p=yesterday").decode(),
    "a cursor without a zone": "/api/refunds/?cursor=" + base64.b64encode(b"p=2026-01-01T00:00:00").decode(),
    "a cursor with no such day": "/api/refunds/?cursor=" + base64.b64encode(b"p=2026-13-41T00:00:00Z").decode(),
    "a cursor beyond the first day": "/api/refunds/?cursor=" + base64.b64encode(b"p=0001-01-01T00:00+23:00").decode(),
    "a cursor that is not text": "/api/refunds/?cursor=" + base64.b64encode(b"\xff").decode(),
    "a cursor that is too long": "/api/refunds/?cursor=" + "A" * 4000,
    "a page of nothing": "/api/orders/?page_size=0",
    "a page of everything": "/api/orders/?page_size=1000000",
    "a page of words": "/api/orders/?page_size=all",
    "products by unknown order": "/api/products/?ordering=price_fen",
    "eligibility without a reason": "{order}eligibility/",
    "eligibility with a NUL": "{order}eligibility/?reason=%00",
    "eligibility beyond any amount": "{order}eligibility/?reason=late&amount_fen=" + "9" * 5000,
    "eligibility of no line of ours": "{order}eligibility/?reason=late&line_ids=999999999",
    "eligibility of a line beyond the column": "{order}eligibility/?reason=late&line_ids=" + str(2**63),
}


@pytest.mark.parametrize("path", QUERIES.values(), ids=QUERIES)
def test_a_query_that_is_wrong_is_refused(api, unasked, buyer, path):
    answer = api(buyer).get(path.format(order=f"/api/orders/{unasked.order_no}/"))
    assert answer.status_code == 400, answer.content[:500]
    assert answer.json()["fields"]


@pytest.mark.parametrize("path", ["/api/products/", "/api/orders/", "/api/refunds/"])
def test_a_cursor_of_a_far_zone_is_read_as_the_moment_it_is(api, case, buyer, path):
    """PostgreSQL knows no zone beyond 15:59; Python does."""
    for moment, rows_after in (("2024-01-01T00:00:00%2B23:59", 0), ("2999-01-01T00:00:00-23:59", 1)):
        cursor = base64.b64encode(f"p={moment}".encode()).decode()
        answer = api(buyer).client.get(f"{path}?cursor={cursor}")
        assert (answer.status_code, len(answer.json()["results"])) == (200, rows_after)


@pytest.mark.parametrize(
    "path",
    [
        "/api/refunds/%00/",
        "/api/refunds/%ED%A0%80/",
        "/api/refunds/R0000000000000'/",
        "/api/refunds/R00000000000000/",
        "/api/refunds/r00000000000000/",
        "/api/refunds/../../etc/passwd/",
        "/api/orders/1/",
        "/api/orders/D" + "9" * 5000 + "/",
        "/api/orders/D00000000000000/eligibility/?reason=late",
        "/evidence/00000000-0000-0000-0000-000000000000/",
    ],
)
def test_a_number_that_is_none_is_not_found(api, buyer, path):
    assert api(buyer).get(path).status_code == 404


@pytest.mark.parametrize(
    "query", ["lang=%00", "lang=xx", "lang=zh-hans", "format=xml", "version=%00", "lang=" + "e" * 999]
)
def test_the_schema_and_its_page_survive_any_query(api, query):
    for path in ("/api/schema/", "/api/docs/", "/api/docs/?script=&"):
        answer = api().get(f"{path}{'' if '?' in path else '?'}{query}")
        assert answer.status_code < 500


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_no_other_method_is_answered(api, case, buyer, method):
    caller = api(buyer)
    for path in ("/api/refunds/", f"/api/refunds/{case.refund_no}/", "/api/orders/"):
        send = getattr(caller.client, method)
        answer = send(path, headers={"X-CSRFToken": caller.token})
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


BOMB = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 20_000, 10_000) + b"\x08\x02\x00\x00\x00" + bytes(40)
UPLOADS: dict[str, tuple[str, bytes]] = {
    "text called .jpg": ("a.jpg", b"hello"),
    "nothing called .png": ("a.png", b""),
    "a page called .png": ("a.png", b"<script>alert(1)</script>"),
    "a picture cut short": ("a.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF"),
    "200 megapixels": ("a.png", BOMB),
    "a name with a NUL": ("a\x00.php", b"hello"),
    "a name that climbs": ("../../x.jpg", b"hello"),
    "a name without end": ("a" * 300 + ".jpg", b"hello"),
}


@pytest.mark.parametrize(("name", "content"), UPLOADS.values(), ids=UPLOADS)
def test_what_is_no_picture_is_no_evidence(api, case, buyer, reviewer, name, content):
    path = f"/api/refunds/{case.refund_no}"
    assert api(reviewer).post(f"{path}/steps/request_evidence/", {"note": "请补充"}).status_code == 200
    file = io.BytesIO(content)
    file.name = name
    answer = api(buyer).upload(f"{path}/evidence/", image=file, note="见图")
    assert answer.status_code == 400, answer.content
    assert "image" in answer.json()["fields"]
    case.refresh_from_db()
    assert (case.status, case.evidence.count()) == (Status.AWAITING_EVIDENCE, 0)


FORMS: dict[str, tuple[bytes, str, int]] = {
    "no boundary": (b"note=1", "multipart/form-data", 400),
    "a boundary that is not there": (b"note=1", "multipart/form-data; boundary=x", 409),
    "half a part": (b'--x\r\nContent-Disposition: form-data; name="note"', "multipart/form-data; boundary=x", 409),
    "300 fields": (
        b"".join(b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n1\r\n' % i for i in range(300)) + b"--x--",
        "multipart/form-data; boundary=x",
        400,
    ),
    "13 megabytes": (b"--x\r\n" + b"a" * 13_000_000, "multipart/form-data; boundary=x", 413),
    "JSON": (json.dumps({"note": "说明"}).encode(), "application/json", 415),
    "a NUL": (
        b'--x\r\nContent-Disposition: form-data; name="note"\r\n\r\na\x00b\r\n--x--\r\n',
        "multipart/form-data; boundary=x",
        400,
    ),
}


@pytest.mark.parametrize(("body", "content_type", "status"), FORMS.values(), ids=FORMS)
def test_a_form_that_cannot_be_read_is_the_senders_mistake(api, case, buyer, body, content_type, status):
    answer = api(buyer).post(f"/api/refunds/{case.refund_no}/evidence/", body, content_type=content_type)
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"


def test_the_shop_never_reads_where_the_buyers_money_went(api, merchant, buyer, buy_by_card, released, ends_as):
    refund = ends_as(released(buy_by_card()), "SUCCESS")
    path = f"/api/refunds/{refund.refund_no}/"
    seen, own = api(merchant).get(path).json(), api(buyer).get(path).json()
    assert (seen["received_account"], [row["received_account"] for row in seen["attempts"]]) == ("", [""])
    assert (own["received_account"], [row["received_account"] for row in own["attempts"]]) == (CARD, [CARD])
    assert "招商银行" not in json.dumps(seen, ensure_ascii=False)
