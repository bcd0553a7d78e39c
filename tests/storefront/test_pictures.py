"""图片的地址: signed for one person and a short while, and asked about again at every look (X4, X7)."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from django.core.signing import TimestampSigner, b62_encode
from django.test import Client
from django.urls import reverse

import clock
import images
import private_pictures
from refunds import drafts
from tests.hostile_files import MARK, corpus
from tests.photographs import encoded, screenshot
from tests.storefront.conftest import words

pytestmark = pytest.mark.django_db
VIEWS = {"evidence": "storefront:evidence", "draft": "storefront:apply_picture"}


@pytest.fixture
def laid(buy, reveal, apply) -> Any:
    """``laid("evidence")``: a picture of a case, or of a draft."""

    def build(what: str) -> Any:
        picture = images.repaint(encoded(screenshot(1)))
        order = buy(price_fen=8800)
        reveal(order)
        if what == "draft":
            drafts.keep(order, {"reason": "invalid_code"}, at=clock.now())
            return drafts.add_image(order, slot="redeem_error", image=picture, at=clock.now())
        return apply(order, images=[picture]).evidence.get()

    return build


def seat(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def status(client: Client, path: str) -> int:
    answer = client.get(path)
    if answer.streaming:
        assert b"".join(answer.streaming_content).startswith(b"\xff\xd8\xff")
    return answer.status_code


@pytest.mark.parametrize("what", VIEWS)
def test_an_address_is_good_for_whom_it_was_signed_for(laid, what, buyer, stranger, merchant, reviewer):
    """X4: bound to the person, and whoever may not look is not told that it is there."""
    row, view = laid(what), VIEWS[what]
    may_look = {buyer.pk} | ({merchant.pk, reviewer.pk} if what == "evidence" else set())
    for person in (buyer, stranger, merchant, reviewer):
        own = private_pictures.address(view, row, person)
        assert status(seat(person), own) == (200 if person.pk in may_look else 404)
        for other in (buyer, stranger, merchant, reviewer):
            if other != person:
                assert status(seat(other), own) == (403 if other.pk in may_look else 404)
    assert Client().get(private_pictures.address(view, row, buyer)).status_code == 302  # to log in


@pytest.mark.parametrize("what", VIEWS)
def test_no_signature_or_a_wrong_one_shows_a_page_that_says_to_reload(laid, what, buyer):
    row, client = laid(what), seat(buyer)
    other = laid(what)
    address = private_pictures.address(VIEWS[what], row, buyer)
    path, _, signed = address.partition("?signed=")
    foreign = private_pictures.address(VIEWS[what], other, buyer).partition("=")[2]
    for wrong in ["", "x", signed[:-1], signed[1:], signed.replace(":", "::"), foreign, signed + "\x00", "你好"]:
        answer = client.get(path, {"signed": wrong})
        assert answer.status_code == 403
        assert "刷新" in words(answer)
    assert client.get(path).status_code == 403
    assert status(client, address) == 200


def test_an_address_of_evidence_opens_no_draft_and_the_other_way_round(laid, buyer):
    """The same key in another table is another thing."""
    row = laid("draft")
    address = private_pictures.address("storefront:evidence", row, buyer)
    assert seat(buyer).get(address).status_code == 404


@pytest.mark.parametrize("what", VIEWS)
def test_an_address_ends_after_a_quarter_of_an_hour(laid, what, buyer, monkeypatch):
    """By real time: the clock of rehearsals does not stretch it."""
    row, client = laid(what), seat(buyer)

    def made(seconds_ago: int) -> str:
        moment = b62_encode(int(time.time()) - seconds_ago)
        with monkeypatch.context() as then:
            then.setattr(TimestampSigner, "timestamp", lambda self: moment)
            return private_pictures.address(VIEWS[what], row, buyer)

    assert status(client, made(private_pictures.VALID_SECONDS - 60)) == 200
    assert status(client, made(private_pictures.VALID_SECONDS + 60)) == 403


@pytest.mark.parametrize("what", VIEWS)
def test_a_picture_is_kept_nowhere_and_harmless(laid, what, buyer):
    """X4: a fixed type that nothing guesses about, a sandbox around it, and no copy left behind."""
    answer = seat(buyer).get(private_pictures.address(VIEWS[what], laid(what), buyer))
    assert b"".join(answer.streaming_content).startswith(b"\xff\xd8\xff")
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


HEADERS = {
    "Content-Type": "image/jpeg",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


def test_pages_name_addresses_that_work(laid, shopper, buyer, reviewer):
    """The buyer's page and the reviewer's each sign their own."""
    row = laid("evidence")
    bare = reverse("storefront:evidence", args=[row.pk])
    pages = {
        buyer: reverse("storefront:refund", args=[row.refund.refund_no]),
        reviewer: reverse("admin:refunds_refund_change", args=[row.refund_id]),
    }
    for person, page in pages.items():
        client = seat(person)
        text = words(client.get(page))
        assert f'"{bare}"' not in text
        address = bare + text.partition(bare)[2].partition('"')[0]
        assert "?signed=" in address
        assert status(client, address) == 200


def test_a_picture_that_is_hard_to_read_is_kept_with_a_hint_beside_it(shopper, buy, reveal, picture):
    """S1-9."""
    order = buy(price_fen=8800)
    reveal(order)
    drafts.keep(order, {"reason": "invalid_code"}, at=clock.now())
    place = f"/orders/{order.order_no}/refund/material/"
    readable = picture(encoded(screenshot(1)))
    for upload, count in [(readable, 0), (picture(), 1)]:
        shopper.post(place, {"upload": "redeem_error", "picture-redeem_error": upload})
        assert words(shopper.get(place)).count("图片太小，字可能认不出来，建议重新截取整屏。") == count
    assert [(row.hint, bool(row.likeness)) for row in drafts.of(order).images.order_by("created_at")] == [
        ("", True),
        ("small", False),
    ]
    refund = drafts.submit(order, by=order.buyer, at=clock.now())
    assert refund.evidence.exclude(image="").count() == 2


def test_hostile_files_at_the_door_itself(shopper, buy, reveal):
    """X1: one of each sort, under the names that such files have. What is kept is ours, under a name of our own."""
    files = corpus()
    chosen = [
        "php", "html", "svg", "pdf with the head of a JPEG", "script before a JPEG", "GIF", "HEIC", "100 NUL bytes",
        "5/10 of a PNG", "bomb in zTXt", "PNG that says 65536 × 65536", "WEBP of 200 pictures",
    ]  # fmt: skip
    luggage = [
        "zip behind a JPEG",
        "php as a PNG's text, zipped=False",
        "script in the EXIF of a WEBP",
        "camera 0, JPEG",
    ]
    names = ["a.jpg", "a.php.jpg", "../../a.jpg", "a.svg", "a.jpg\x00.php", "<img onerror=alert(1)>.png", ".htaccess"]
    order = buy(price_fen=8800)
    reveal(order)
    drafts.keep(order, {"reason": "invalid_code"}, at=clock.now())
    place = f"/orders/{order.order_no}/refund/material/"
    for number, kind in enumerate([*chosen, *luggage]):
        upload = io.BytesIO(files[kind])
        upload.name = names[number % len(names)]
        answer = shopper.post(place, {"upload": "redeem_error", "picture-redeem_error": upload})
        assert answer.status_code == (302 if kind in luggage else 200), kind
        assert "<img onerror" not in words(answer)
    kept = list(drafts.of(order).images.all())
    assert len(kept) == len(luggage)
    for row in kept:
        with row.image.open() as stored:
            data = stored.read()
        assert row.image.name == f"evidence/{order.order_no}/{row.pk}.jpeg"
        assert data not in files.values()
        assert MARK not in data
        assert data.startswith(b"\xff\xd8\xff")
