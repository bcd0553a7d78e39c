"""申请草稿: kept with its order, sent once however often it is sent, swept with its files; nothing of it gets lost."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connections

import clock
from images import Repainted
from orders import delivery
from refunds import applying, drafts
from refunds.applying import AlreadyActive
from refunds.evidence import MOST_IMAGES, TooManyImages
from refunds.lifecycle import StepRefused
from refunds.models import DraftImage, Evidence, Refund, RefundDraft
from refunds.refundable import lines_of
from refunds.tasks import count_stages
from shops.models import RefundPolicy
from shops.stock import Viewer

pytestmark = pytest.mark.django_db
SAID = {"reason": "invalid_code", "description": "11月20日晚8点兑换，提示已使用"}


def painted(number: int = 0) -> Repainted:
    """As ``images.repaint`` gives it; a different number is a different picture."""
    data = b"\xff\xd8\xff" + number.to_bytes(2, "big")
    return Repainted(data, "image/jpeg", 8, 8, hashlib.sha256(data).hexdigest())


def keep(order: Any, **answers: Any) -> RefundDraft:
    return drafts.keep(order, answers, at=clock.now())


def add(order: Any, slot: str = "redeem_error", number: int = 0) -> DraftImage:
    return drafts.add_image(order, slot=slot, image=painted(number), at=clock.now())


def gap_of(order: Any) -> drafts.Gap | None:
    draft = drafts.of(order)
    return drafts.gap(order, drafts.application(draft) if draft else None, lines_of(order))


def send(order: Any, **how: Any) -> Refund:
    return drafts.submit(order, by=order.buyer, at=clock.now(), **how)


def test_a_draft_is_written_step_by_step_and_becomes_a_refund(buy):
    """S0-9."""
    order = buy(price_fen=8800)
    keep(order, **SAID)
    image = add(order)
    keep(order, amount_fen=5000, contact="138", destination="original")
    assert gap_of(order) is None
    refund = send(order, device_key=b"k" * 32)
    assert (refund.amount_fen, refund.reason, refund.contact) == (5000, "invalid_code", "138")
    assert bytes(refund.device_key) == b"k" * 32
    kept = refund.evidence.get()
    assert (kept.slot, kept.image.name) == ("redeem_error", image.image.name)
    assert default_storage.exists(image.image.name)
    assert not RefundDraft.objects.exists()
    assert not DraftImage.objects.exists()


def test_what_the_steps_lack_is_named_in_their_order(buy):
    order = buy(price_fen=8800)

    def missing() -> str:
        gap = gap_of(order)
        return gap.step if gap else "nothing"

    assert missing() == "reason"
    keep(order, reason="other")
    assert missing() == "material"
    keep(order, description="昨晚兑换，提示无效")
    assert missing() == "nothing"
    keep(order, amount_fen=8801)
    assert missing() == "money"
    keep(order, amount_fen=8800)
    assert missing() == "nothing"


def test_an_unknown_answer_is_a_mistake_of_ours(buy):
    with pytest.raises(ValueError, match="buyer_id"):
        keep(buy(), buyer_id=1)


def test_the_same_answer_again_changes_nothing(buy):
    order = buy()
    before = keep(order, **SAID).updated_at
    clock.advance(timedelta(minutes=1))
    assert keep(order, **SAID).updated_at == before
    assert keep(order, reason="late").updated_at > before


def test_other_units_ask_for_all_that_is_left_of_them(buy):
    order = buy(price_fen=3000, quantity=3)
    keep(order, **SAID, lines=[1, 2], amount_fen=100)
    keep(order, lines=[1, 2])
    assert drafts.of(order).answers["amount_fen"] == 100
    keep(order, lines=[3])
    assert drafts.of(order).answers["amount_fen"] is None
    assert send(order).amount_fen == 3000


def test_units_that_went_back_meanwhile_are_said_and_nothing_is_lost(buy, drain):
    """The order changed while the draft was written: back to the step, with a clear word."""
    order = buy(price_fen=3000, quantity=2)
    keep(order, **SAID, lines=[1, 2])
    add(order)
    first = order.lines.get(position=1)
    applying.submit(order, applying.Application("changed_mind", line_ids=[first.pk]), by=order.buyer, at=clock.now())
    drain()
    gap = gap_of(order)
    assert (gap.step, gap.is_news) == ("reason", True)
    assert "已退款或正在退款" in gap.sentence
    with pytest.raises(StepRefused):
        send(order)
    draft = drafts.of(order)
    assert draft.answers["description"] == SAID["description"]
    assert draft.images.count() == 1
    keep(order, lines=[2])
    assert send(order).amount_fen == 3000


def test_a_reason_that_no_longer_fits_leads_back_to_the_reasons(buy):
    order = buy(price_fen=3000)
    keep(order, reason="changed_mind")
    assert gap_of(order) is None
    delivery.reveal(order.lines.get(), viewer=Viewer(order.buyer, None, ""), at=clock.now())
    gap = gap_of(order)
    assert (gap.step, gap.is_news) == ("reason", True)
    assert "不适用“不想要了" in gap.sentence


def test_a_policy_published_meanwhile_does_not_reach_the_draft(buy, make_product):
    """P8: the order keeps its version, and so does what is written about it."""
    order = buy(price_fen=8800)
    keep(order, **SAID)
    later = RefundPolicy(code=order.policy.code, version=99, name="新", name_en="New", window_days=0)
    later.reasons = [row for row in later.reasons if row["reason"] in {"other", "undelivered"}]
    later.published_at = clock.now()
    later.save()
    assert gap_of(order) is None
    assert send(order).order.policy_id == order.policy_id != later.pk


def test_six_pictures_at_most_and_the_same_twice_is_one(buy):
    order = buy()
    first = add(order)
    assert add(order) == first
    for number in range(1, MOST_IMAGES):
        add(order, number=number)
    with pytest.raises(TooManyImages, match="最多 6 张"):
        add(order, slot="", number=99)
    assert DraftImage.objects.count() == MOST_IMAGES
    with pytest.raises(StepRefused, match="没有这一项凭证"):
        add(order, slot="no_such_slot")


def test_a_picture_that_is_removed_goes_with_its_file(buy, django_capture_on_commit_callbacks):
    order, other = buy(), buy()
    image = add(order)
    keep(other, **SAID)
    with django_capture_on_commit_callbacks(execute=True):
        drafts.remove_image(other, image.pk, at=clock.now())  # not of this order
    assert default_storage.exists(image.image.name)
    with django_capture_on_commit_callbacks(execute=True):
        drafts.remove_image(order, image.pk, at=clock.now())
        drafts.remove_image(order, image.pk, at=clock.now())
    assert not default_storage.exists(image.image.name)
    assert not DraftImage.objects.exists()


def test_what_was_changed_in_another_tab_is_read_over_first(buy):
    order = buy(price_fen=8800)
    seen = keep(order, **SAID).updated_at
    clock.advance(timedelta(seconds=1))
    keep(order, reason="late")
    with pytest.raises(StepRefused) as refusal:
        send(order, seen=seen)
    assert refusal.value.code == "draft_has_changed"
    assert not Refund.objects.exists()
    assert send(order, seen=drafts.of(order).updated_at).reason == "late"


def test_what_was_sent_already_leads_to_its_number(buy):
    """P1."""
    order = buy(price_fen=8800)
    keep(order, **SAID)
    refund = send(order)
    with pytest.raises(AlreadyActive) as active:
        send(order)
    assert active.value.refund_no == refund.refund_no


def test_old_drafts_go_with_their_pictures_and_no_evidence_does(buy, monkeypatch, django_capture_on_commit_callbacks):
    monkeypatch.setattr(drafts, "BATCH", 1)  # more than one batch
    sent, left, mended, touched = buy(price_fen=8800), buy(), buy(), buy()
    for order in (sent, left, mended, touched):
        keep(order, **SAID)
    evidence, lost = add(sent).image.name, add(left).image.name
    send(sent)
    clock.advance(timedelta(days=drafts.KEPT_DAYS, minutes=1))
    keep(touched, reason="late")
    with django_capture_on_commit_callbacks(execute=True):
        count_stages()
    assert {draft.order_id for draft in RefundDraft.objects.all()} == {touched.pk}
    assert Evidence.objects.get().image.name == evidence
    assert default_storage.exists(evidence)
    assert not default_storage.exists(lost)


# --- at the same time -------------------------------------------------------------------------------------------------


def at_once(count: int, work: Any) -> list[Any]:
    """What each of ``count`` threads got out of ``work(number)``, begun together: a value, or its exception."""
    start = Barrier(count)

    def run(number: int) -> Any:
        start.wait()
        try:
            return work(number)
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.mark.django_db(transaction=True)
def test_eight_tabs_send_at_once_and_one_refund_comes_of_it(buy):
    """P1: each of the others gets the first's number."""
    order = buy(price_fen=8800)
    keep(order, **SAID)
    add(order)
    got = at_once(8, lambda _: send(order))
    refund = Refund.objects.get()
    assert [each for each in got if isinstance(each, Refund)] == [refund]
    others = [each for each in got if not isinstance(each, Refund)]
    assert {type(each) for each in others} == {AlreadyActive}
    assert {each.refund_no for each in others} == {refund.refund_no}
    assert refund.evidence.count() == 1
    assert not RefundDraft.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_eight_uploads_at_once_are_six_pictures_of_one_draft(buy):
    order = buy(price_fen=8800)
    got = at_once(8, lambda number: add(order, number=number))
    assert sum(isinstance(each, DraftImage) for each in got) == MOST_IMAGES
    assert sum(isinstance(each, TooManyImages) for each in got) == 8 - MOST_IMAGES
    assert RefundDraft.objects.get().images.count() == MOST_IMAGES


@pytest.mark.django_db(transaction=True)
def test_sending_while_pictures_come_and_go_loses_none_of_the_evidence(buy):
    """A picture is evidence, or still in a draft, or removed with its file: never evidence without a file."""
    order = buy(price_fen=8800)
    keep(order, **SAID)
    images = [add(order, number=number) for number in range(3)]

    def work(number: int) -> Any:
        if number == 0:
            return send(order)
        if number <= 3:
            return drafts.remove_image(order, images[number - 1].pk, at=clock.now())
        return add(order, number=number)

    got = at_once(6, work)
    assert isinstance(got[0], Refund), got
    for row in Evidence.objects.all():
        assert default_storage.exists(row.image.name)
