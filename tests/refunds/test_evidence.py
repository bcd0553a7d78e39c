"""凭证: what is missing is said, and a picture that was laid before us already is found, for the reviewer alone."""

from __future__ import annotations

from datetime import timedelta
from itertools import combinations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image, ImageFilter

import clock
import images
from refunds import evidence
from refunds.models import Evidence
from tests.photographs import encoded, good_picture, screenshot


def painted(picture: Image.Image, form: str = "JPEG", **how: object) -> images.Repainted:
    return images.repaint(encoded(picture, form, **how))


def apart(one: images.Repainted, other: images.Repainted) -> int:
    assert one.likeness is not None
    assert other.likeness is not None
    return ((one.likeness ^ other.likeness) & (2**64 - 1)).bit_count()


# --- what the child says of a picture -------------------------------------------------------------------------------


def test_a_copy_looks_like_its_original_and_other_pictures_do_not():
    originals = [painted(good_picture(seed)) for seed in range(12)]
    for seed, original in enumerate(originals):
        picture = good_picture(seed)
        smaller = picture.resize((picture.width * 2 // 3, picture.height * 2 // 3))
        for copy in (painted(picture, quality=45), painted(picture, "WEBP"), painted(smaller)):
            assert apart(original, copy) <= evidence.ALIKE_BITS
    assert min(apart(one, other) for one, other in combinations(originals, 2)) > evidence.ALIKE_BITS


@pytest.mark.parametrize("color", ["white", "black", "orange", "#123456"])
def test_a_plain_surface_looks_like_nothing(color):
    plain = Image.blend(Image.new("RGB", (640, 480), color), Image.effect_noise((640, 480), 12).convert("RGB"), 0.05)
    assert painted(plain).likeness is None


def test_a_likeness_fits_its_column():
    found = [painted(good_picture(seed)).likeness for seed in range(4)]
    assert all(likeness is not None and -(2**63) <= likeness < 2**63 for likeness in found)


def test_what_cannot_be_read_is_taken_with_a_hint():
    """S1-9: too small, or blurred; never refused for it."""
    assert painted(Image.new("RGB", (299, 900), "white")).hint == "small"
    assert "重新截取" in painted(screenshot(1).resize((200, 400))).advice
    for seed in range(6):
        sharp = good_picture(seed)
        assert painted(sharp).advice == ""
        blurred = painted(sharp.filter(ImageFilter.GaussianBlur(sharp.width / 160)))
        assert (blurred.hint, blurred.data[:3]) == ("blurred", b"\xff\xd8\xff")
        assert "建议重拍" in blurred.advice


# --- what is there, and what is missing -----------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_reviewer_is_told_which_pictures_are_there(buy, reveal, apply):
    """S2-25: the kind of goods adds its own; S3-14: goods from abroad one more."""
    for kind, abroad, slots in [
        ("card_code", False, ["redeem_error"]),
        ("membership", True, ["redeem_error", "unused", "identity"]),
    ]:
        order = buy(price_fen=8800, kind=kind, is_cross_border=abroad)
        reveal(order)
        refund = apply(order, reason="invalid_code")
        found = evidence.completeness(refund, [Evidence(slot="redeem_error"), Evidence(slot="")])
        assert [(guide.slot, there) for guide, there in found] == [(slot, slot == "redeem_error") for slot in slots]


# --- seen before ----------------------------------------------------------------------------------------------------


@pytest.fixture
def case_with(buy, reveal, apply):
    """``case_with(picture, by=stranger)``: a case under review with this picture, and its row."""

    def build(*pictures: images.Repainted, **purchase):
        order = buy(**{"price_fen": 8800} | purchase)
        reveal(order)
        refund = apply(order, images=list(pictures))
        return refund, list(refund.evidence.order_by("pk"))

    return build


def seen(refund, rows) -> list[tuple[str, bool, bool]]:
    found = evidence.seen_before(refund, rows, at=clock.now())
    return [(one.refund.refund_no, one.is_same, one.is_other_buyer) for row in rows for one in found.get(row.pk, [])]


@pytest.mark.django_db
def test_the_same_or_a_like_picture_of_another_order_is_found(case_with, stranger):
    picture = good_picture(3)
    original, resaved, other = painted(picture), painted(picture, quality=50), painted(good_picture(4))
    first, first_rows = case_with(original)
    theirs, _ = case_with(resaved, by=stranger)
    third, _ = case_with(other)
    again, rows = case_with(original, other)
    assert seen(first, first_rows) == [
        (again.refund_no, True, False), (theirs.refund_no, False, True)
    ]  # fmt: skip
    assert set(seen(again, rows)) == {
        (theirs.refund_no, False, True), (first.refund_no, True, False), (third.refund_no, True, False),
    }  # fmt: skip
    with CaptureQueriesContext(connection) as captured:
        seen(again, rows)
    assert len([query for query in captured if "refunds_evidence" in query["sql"]]) == 1


@pytest.mark.django_db
def test_a_second_application_for_the_same_order_is_no_sighting(case_with, reviewer, apply):
    from refunds import lifecycle

    picture = painted(good_picture(3))
    first, _ = case_with(picture)
    lifecycle.reject([first], by=reviewer, at=clock.now(), note="看不清")
    again = apply(first.order, images=[picture])
    assert seen(again, list(again.evidence.all())) == []


@pytest.mark.django_db
def test_plain_pictures_and_old_ones_are_never_sightings(case_with, stranger):
    plain, picture = painted(Image.new("RGB", (400, 400), "white")), painted(good_picture(3))
    case_with(plain, picture, by=stranger)
    case, rows = case_with(plain)
    assert seen(case, rows) == []
    clock.advance(evidence.SEEN_WITHIN + timedelta(days=1))
    case, rows = case_with(picture)
    assert seen(case, rows) == []


@pytest.mark.django_db
def test_whatever_differs_in_three_bits_is_found_by_its_bands(case_with, stranger):
    """The four indexes miss nothing that is near enough, wherever the bits are, and the database agrees about near."""
    likeness = 0x1234_5678_9ABC_DEF0
    theirs, case = case_with(by=stranger)[0], case_with()[0]
    words = {"refund": theirs, "provided_by": stranger, "created_at": clock.now(), "image": "evidence/seen.jpeg"}
    Evidence.objects.create(**words, likeness=likeness)
    for flipped, is_near in [
        ([], True), ([63], True), ([0, 17, 63], True), ([5, 20, 40], True), ([0, 1, 2, 3], False),
        ([1, 17, 33, 49], False), ([0, 1, 2, 60], False),
    ]:  # fmt: skip
        looked = likeness
        for bit in flipped:
            looked ^= 1 << bit
        mine = Evidence(likeness=looked - 2**64 if looked >> 63 else looked, digest="mine")
        assert bool(evidence.seen_before(case, [mine], at=clock.now())) is is_near, flipped


@pytest.mark.django_db
def test_the_search_goes_by_the_four_indexes(case_with):
    case, (row,) = case_with(painted(good_picture(3)))
    with CaptureQueriesContext(connection) as captured:
        evidence.seen_before(case, [row], at=clock.now())
    sql = next(query["sql"] for query in captured if "bit_count" in query["sql"])
    assert "LIMIT 50" in sql
    with connection.cursor() as cursor:
        cursor.execute(MANY, [case.pk, case.buyer_id, clock.now()])
        cursor.execute("ANALYZE refunds_evidence")
        cursor.execute("EXPLAIN " + sql.replace("%", "%%"))
        plan = "\n".join(line for (line,) in cursor.fetchall())
    for number in range(4):
        assert f"Index Scan on evidence_alike_{number}" in plan, plan


MANY = """
    INSERT INTO refunds_evidence
        (id, refund_id, provided_by_id, created_at, image, content_type, width, height, digest, slot, note, likeness)
    SELECT gen_random_uuid(), %s, %s, %s, 'evidence/seen.jpeg', 'image/jpeg', 720, 1280, '', '', '',
        (random() * 4294967295)::bigint << 31 # (random() * 4294967295)::bigint
    FROM generate_series(1, 20000)
"""


@pytest.mark.django_db
def test_each_side_lays_down_six_pictures_and_uses_up_none_of_the_other_s(reviewed, merchant, stranger, shop):
    """Whoever of the shop laid it down, it is the shop's."""
    refund, at, pictures = reviewed(), clock.now(), [painted(good_picture(1))] * 6
    evidence.store(refund, by=refund.buyer, at=at, images=pictures)
    evidence.store(refund, by=merchant, at=at, images=pictures[:4])
    shop.members.add(stranger)
    for person, more in ((refund.buyer, 1), (stranger, 3)):
        with pytest.raises(evidence.TooManyImages):
            evidence.store(refund, by=person, at=at, images=pictures[:more])
    evidence.store(refund, by=stranger, at=at, images=pictures[:2])
    sides = [evidence.is_shops(refund, row.provided_by_id) for row in refund.evidence.all()]
    assert (sides.count(False), sides.count(True)) == (6, 6)


@pytest.mark.django_db
def test_what_is_asked_for_later_and_an_appeal_have_room_of_their_own(reviewed, reviewer):
    """S1-12, S1-17: whoever showed six pictures with the application can still show what is asked for."""
    from refunds import lifecycle

    six = [painted(good_picture(1))] * 6
    refund = reviewed()
    evidence.store(refund, by=refund.buyer, at=clock.now(), images=six)
    lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请补兑换页")
    lifecycle.provide_evidence(refund, by=refund.buyer, at=clock.now(), images=six)
    refund.refresh_from_db()
    with pytest.raises(evidence.TooManyImages):  # nobody asked
        evidence.store(refund, by=refund.buyer, at=clock.now(), images=six[:1])
    lifecycle.reject([refund], by=reviewer, at=clock.now(), note="图片看不出时间", ground="not_shown")
    lifecycle.appeal(refund, by=refund.buyer, at=clock.now(), note="新的截图", ground="new_evidence", images=six)
    assert refund.evidence.exclude(image="").count() == 18
