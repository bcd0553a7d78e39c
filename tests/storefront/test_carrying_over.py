"""沿用上次的图片: after a refusal what was shown before is laid down once more, as a copy, by ticking it (S3-13)."""

from __future__ import annotations

import pytest
from django.core.files.storage import default_storage

import clock
import images
from refunds import drafts, evidence, lifecycle
from refunds.evidence import MOST_IMAGES
from refunds.models import Evidence
from tests.photographs import encoded, good_picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def refused(buy, reveal, reviewer):
    """An order whose application was refused: one picture for its slot, and another."""
    order = buy(price_fen=8800)
    reveal(order)
    drafts.keep(order, {"reason": "invalid_code", "description": "11月20日兑换，提示已使用"}, at=clock.now())
    for seed, slot in [(3, "redeem_error"), (4, "")]:
        picture = images.repaint(encoded(good_picture(seed)))
        drafts.add_image(order, slot=slot, image=picture, at=clock.now())
    refund = drafts.submit(order, by=order.buyer, at=clock.now())
    lifecycle.send_to_review([refund], at=clock.now())
    lifecycle.reject([refund], by=reviewer, at=clock.now(), note="描述与截图对不上")
    return order


def material_of(order):
    drafts.keep(order, {"reason": "invalid_code"}, at=clock.now())
    return f"/orders/{order.order_no}/refund/material/"


def test_what_is_ticked_comes_along_in_its_slot(shopper, refused, django_capture_on_commit_callbacks):
    place = material_of(refused)
    first, second = Evidence.objects.order_by("created_at", "pk")
    page = shopper.get(place).content.decode()
    assert all(f'value="{row.pk}"' in page for row in (first, second))
    said = {"description": "补充：时间是晚上八点", "carry": "1"}
    assert "请先勾选要沿用的图片" in shopper.post(place, said).content.decode()
    answer = shopper.post(place, said | {"earlier": [str(first.pk), "nothing of this case"]})
    assert answer.headers["Location"].endswith("#pictures")
    draft = drafts.of(refused)
    assert draft.answers["description"] == "补充：时间是晚上八点"
    kept = draft.images.get()
    assert (kept.slot, kept.digest, kept.likeness) == (first.slot, first.digest, first.likeness)
    page = shopper.get(place).content.decode()
    assert f'value="{first.pk}"' not in page  # it is there already
    assert f'value="{second.pk}"' in page
    with django_capture_on_commit_callbacks(execute=True):
        drafts.remove_image(refused, kept.pk, at=clock.now())
    assert default_storage.exists(first.image.name)  # a copy went
    assert not default_storage.exists(kept.image.name)


def test_the_new_case_is_complete_and_its_pictures_were_not_seen_before(shopper, refused):
    place = material_of(refused)
    shopper.post(place, {"carry": "1", "earlier": [str(row.pk) for row in Evidence.objects.all()]})
    refund = drafts.submit(refused, by=refused.buyer, at=clock.now())
    assert refund.is_complete
    rows = list(refund.evidence.all())
    assert len(rows) == 2
    assert evidence.seen_before(refund, rows, at=clock.now()) == {}
    assert len(set(Evidence.objects.values_list("image", flat=True))) == 4


def test_there_is_no_more_room_than_for_any_picture(shopper, refused, picture):
    place = material_of(refused)
    for number in range(MOST_IMAGES):
        drawn = images.repaint(encoded(good_picture(10 + number)))
        drafts.add_image(refused, slot="", image=drawn, at=clock.now())
    keys = [str(row.pk) for row in Evidence.objects.all()]
    assert "最多 6 张" in shopper.post(place, {"carry": "1", "earlier": keys}).content.decode()
    assert drafts.of(refused).images.count() == MOST_IMAGES


def test_pictures_of_another_order_are_not_carried_over(shopper, refused, buy):
    other = buy(price_fen=8800)
    place = material_of(other)
    assert 'name="earlier"' not in shopper.get(place).content.decode()
    shopper.post(place, {"carry": "1", "earlier": [str(row.pk) for row in Evidence.objects.all()]})
    assert not drafts.of(other).images.exists()
