"""Which reason fits which goods: one pure answer, and every door gives it."""

from __future__ import annotations

import pytest

import clock
from orders import delivery
from refunds import applying, policy
from refunds.applying import Application
from refunds.lifecycle import StepRefused
from refunds.models import Refund
from refunds.reasons import REASONS, Sold, obstacle
from shops.models import ProductKind, RefundPolicy
from shops.policy_terms import KINDS, SLOTS, ReasonTerms, usual_reasons
from shops.stock import Viewer

USUAL = {row["reason"]: ReasonTerms.of(row) for row in usual_reasons()}
CODE = Sold("card_code", is_delivered=True, is_seen=False)
SEEN_CODE = Sold("card_code", is_delivered=True, is_seen=True)
WAITING_CODE = Sold("card_code", is_delivered=False, is_seen=False)
TOP_UP = Sold("top_up", is_delivered=False, is_seen=False)
TOPPED_UP = Sold("top_up", is_delivered=True, is_seen=True)
ACCOUNT = Sold("account", is_delivered=True, is_seen=True)


@pytest.mark.parametrize(
    ("code", "sold", "why"),
    [
        ("cannot_log_in", [CODE], "kind"),
        ("wrong_top_up", [CODE], "kind"),
        ("not_activated", [CODE], "kind"),
        ("cannot_log_in", [ACCOUNT], ""),
        ("invalid_code", [ACCOUNT], "kind"),
        ("wrong_top_up", [TOP_UP], ""),
        ("wrong_top_up", [TOPPED_UP], ""),
        ("invalid_code", [CODE], ""),
        ("invalid_code", [WAITING_CODE], "delivered"),
        ("undelivered", [WAITING_CODE], ""),
        ("undelivered", [CODE], "undelivered"),
        ("out_of_stock", [TOPPED_UP], "undelivered"),
        ("undelivered", [CODE, WAITING_CODE], ""),  # of one of them it can be said
        ("changed_mind", [CODE], ""),
        ("changed_mind", [SEEN_CODE], "unseen"),
        ("changed_mind", [TOPPED_UP], "unseen"),
        ("changed_mind", [SEEN_CODE, CODE], ""),
        ("late", [TOPPED_UP], ""),  # delivered by our record, and not on the phone
        ("cannot_log_in", [Sold("", is_delivered=True, is_seen=True)], ""),  # its page did not keep what it was
    ],
)
def test_a_reason_fits_or_it_is_said_why_not(code, sold, why):
    """S1-3: what cannot be used is a reason, of the goods that it can be said of."""
    assert obstacle(USUAL[code], sold) == why


def test_the_words_and_the_terms_name_the_same_reasons_and_goods():
    assert set(USUAL) == set(REASONS)
    assert set(KINDS) == set(ProductKind.values)
    assert {slot for terms in USUAL.values() for slot in terms.slots} <= set(SLOTS)


@pytest.mark.parametrize(
    ("reason", "kind", "is_cross_border", "slots"),
    [
        ("invalid_code", "card_code", False, ["redeem_error"]),
        ("cannot_log_in", "account", False, ["login_error", "unused"]),  # S0-5
        ("invalid_code", "card_code", True, ["redeem_error", "identity"]),  # S3-14
        ("changed_mind", "account", True, []),  # our own record proves it
        ("undelivered", "card_code", False, []),
    ],
)
def test_what_a_complete_application_shows_depends_on_reason_and_goods(reason, kind, is_cross_border, slots):
    """S2-25, S3-7, S3-14."""
    assert RefundPolicy(window_days=15).slots_for(reason, kind, is_cross_border=is_cross_border) == slots


@pytest.mark.parametrize("kind", ProductKind.values)
@pytest.mark.parametrize(("is_delivered", "is_seen"), [(False, False), (True, False), (True, True)])
def test_nobody_is_left_without_a_reason(kind, is_delivered, is_seen):
    """Whatever was bought and became of it: what can always happen can be said, and each kind of goods is known."""
    sold = [Sold(kind, is_delivered=is_delivered, is_seen=is_seen)]
    fitting = {code for code, terms in USUAL.items() if not obstacle(terms, sold)}
    assert {"other", "payment_trouble", "platform_fault", "not_as_described", "duplicate", "late"} <= fitting
    assert ("undelivered" in fitting) is not is_delivered


def test_submitting_and_asking_beforehand_refuse_alike(buy, reveal):
    order = buy(price_fen=3000)
    reveal(order)
    for reason, said in [
        ("changed_mind", "卡密已查看或商品已收到，不适用“不想要了（冷静期内）”"),
        ("wrong_top_up", "“充值错误（号码 / 区服）”不适用于这类商品"),
        ("undelivered", "商品已交付，不适用“未发货”"),
    ]:
        for ask in (
            lambda wish: applying.submit(order, wish, by=order.buyer, at=clock.now()),
            lambda wish: applying.preview(order, wish, at=clock.now()),
        ):
            with pytest.raises(StepRefused, match=said) as refused:
                ask(Application(reason))
            assert refused.value.code == "reason_does_not_fit"
    assert not Refund.objects.exists()


def test_only_the_lines_asked_about_count(buy):
    order = buy(price_fen=3000, quantity=2)
    seen, unseen = order.lines.order_by("position")
    delivery.reveal(seen, viewer=Viewer(order.buyer, "203.0.113.7", "phone"), at=clock.now())
    with pytest.raises(StepRefused, match="卡密已查看"):
        applying.submit(order, Application("changed_mind", line_ids=[seen.pk]), by=order.buyer, at=clock.now())
    refund = applying.submit(order, Application("changed_mind", line_ids=[unseen.pk]), by=order.buyer, at=clock.now())
    assert refund.reason == "changed_mind"


ANSWERS = {"paid": True, "amount_fits": True, "window": True, "rejections": True, "cooling_off": False}
PROOFS = {"unrevealed": True, "in_validity": True, "whole": True, "small_amount": True, "daily_cap": True}


@pytest.mark.parametrize(
    ("answers", "rule", "weight"),
    [
        (ANSWERS | PROOFS | {"undelivered": False, "small_amount": False}, "small_amount", "person"),
        (ANSWERS | PROOFS | {"undelivered": False}, "undelivered", "fact"),
        (ANSWERS | PROOFS | {"undelivered": False}, "cooling_off", "fact"),
        (ANSWERS | PROOFS | {"undelivered": False}, "small_amount", "met"),
        (ANSWERS | PROOFS | {"undelivered": True, "small_amount": False}, "small_amount", None),  # given back anyway
        (ANSWERS | {"window": False}, "window", "unmet"),
    ],
)
def test_only_what_turns_a_case_down_is_called_a_failure(answers, rule, weight):
    assert policy.weights(answers).get(rule) == weight
