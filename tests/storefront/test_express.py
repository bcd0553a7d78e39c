"""极速退款 in the buyer's account (S0-19, S0-20): what it takes, whether it is met, on and off, and the real name."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils.html import escape

import clock
from accounts.models import RealNameCheck, User
from refunds import express, lanes, lifecycle, policy
from refunds.express import CannotOptIn
from refunds.models import ExpressOptIn, Lane, PreCheck, Refund, Status
from shops.models import RefundPolicy
from tests.accounts.id_numbers import id_number
from tests.storefront.conftest import words

pytestmark = pytest.mark.django_db
PAGE, REAL_NAME = "/me/express/", "/me/real-name/"


@pytest.fixture(autouse=True)
def _nobody_has_tried_yet():
    cache.clear()


def verified(user: User) -> User:
    user.verified_at = clock.now()
    user.save()
    return user


def typed(**more: str) -> dict[str, str]:
    return {"name": "王五", "number": id_number(), "consent": "on"} | more


def test_from_nothing_to_an_express_refund(shopper, buyer, buy, apply):
    """S0-19: real name, opted in, below ¥500, never viewed: nobody has to look."""
    order = buy(price_fen=30_000)
    page = words(shopper.get(PAGE))
    for said in ("¥500.00 以下", "未开通", "先做实名认证", "180 天内没有被拒绝的退款"):
        assert said in page
    assert "开通极速退款</button>" not in page
    assert words(shopper.get(REAL_NAME))
    assert shopper.post(REAL_NAME, typed()).headers["Location"] == PAGE
    assert "开通极速退款</button>" in words(shopper.get(PAGE))
    assert shopper.post(PAGE, {"on": "1"}).headers["Location"] == PAGE
    page = words(shopper.get(PAGE))
    assert "已开通" in page
    assert "关闭极速退款" in page
    refund = apply(order)
    assert (refund.lane, refund.status) == (Lane.EXPRESS, Status.APPROVED)
    seen = PreCheck.objects.get(refund=refund).facts
    assert (seen["has_opted_in"], seen["is_verified"]) == (True, True)


def test_on_twice_is_once_and_off_is_kept_on_record(shopper, buyer, buy, apply):
    verified(buyer)
    shopper.post(PAGE, {"on": "1"})
    shopper.post(PAGE, {"on": "1"})
    assert ExpressOptIn.objects.count() == 1
    shopper.post(PAGE, {"off": "1"})
    row = ExpressOptIn.objects.get()
    assert row.ended_at is not None
    assert apply(buy(price_fen=30_000)).lane == Lane.STANDARD
    shopper.post(PAGE, {"on": "1"})
    assert ExpressOptIn.objects.count() == 2
    assert shopper.post(PAGE, {}).status_code == 302
    assert ExpressOptIn.objects.filter(ended_at=None).count() == 1


def test_who_came_from_a_refund_goes_back_to_it(shopper):
    """A buyer chooses where money goes that came back, and is sent nowhere else."""
    assert shopper.get(f"{REAL_NAME}?next=//elsewhere.example/").context["back"] == PAGE
    came_from = "/refunds/R0000000000000/redirect/"
    assert shopper.post(f"{REAL_NAME}?next={came_from}", typed()).headers["Location"] == came_from


def test_without_a_real_name_it_stays_off(shopper, buyer):
    answer = shopper.post(PAGE, {"on": "1"}, follow=True)
    assert "开通前请先完成实名认证" in words(answer)
    assert not ExpressOptIn.objects.exists()
    with pytest.raises(CannotOptIn):
        express.turn_on(buyer, at=clock.now())


def test_the_page_says_what_the_rule_says(shopper, buyer, buy, apply, reviewed, reviewer):
    """A refusal within 180 days: the page, the pre-check and the reason agree; afterwards it is open again."""
    verified(buyer)
    express.turn_on(buyer, at=clock.now())
    lifecycle.reject([reviewed()], by=reviewer, at=clock.now(), note="与记录不符")
    refused = "近期有未通过的退款"
    page = words(shopper.get(PAGE))
    assert refused in page
    assert "已开通，条件暂未满足" in page
    refund = apply(buy(price_fen=30_000))
    assert refund.lane == Lane.STANDARD
    told = {row["rule"]: row["sentence"] for row in PreCheck.objects.get(refund=refund).results}
    assert told["express_record"] in page
    assert not express.standing(buyer, at=clock.now()).is_open
    later = express.standing(buyer, at=clock.now() + timedelta(days=181))
    assert later.is_open
    assert later.offers[0].record.sentence not in page


def test_policies_that_differ_are_told_apart_and_none_is_hidden(shopper, buyer, make_product):
    """S0-20: the strict switch, "no refund record", belongs to a policy."""
    strict = {"express_below_fen": 10_000, "express_needs_no_record": True}
    for name, more in {"标准政策": {}, "严格政策": strict, "没有极速": {"express_below_fen": 0}}.items():
        goods = make_product(code=f"code-{len(more)}", **more)
        version = goods.policy.version + 10
        goods.policy = RefundPolicy.objects.create(
            code=goods.policy.code, version=version, name=name, name_en=name, window_days=15,
            published_at=clock.now(), **more,
        )  # fmt: skip
        goods.save()
    page = words(shopper.get(PAGE))
    for said in ("¥500.00 以下", "¥100.00 以下", "此前没有退过款", "标准政策", "严格政策"):
        assert said in page
    assert "没有极速" not in page


def test_while_the_lane_is_paused_the_page_says_so(shopper, buyer, operator):
    lanes.switch(Lane.EXPRESS, is_on=False, by=operator, at=clock.now(), reason="异常")
    assert "极速退款暂停中" in words(shopper.get(PAGE))
    assert not express.standing(buyer, at=clock.now()).is_open


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"number": "11010519491231002"}, "身份证号有误"),
        ({"number": "110105194912310021"}, "身份证号有误"),
        ({"number": "x\x00"}, ""),
        ({"name": "王"}, ""),
        ({"consent": ""}, ""),
        ({"number": id_number("20200101")}, "未满 18 周岁"),
    ],
)
def test_what_is_wrong_is_said_beside_what_was_typed(shopper, buyer, changed, said):
    answer = shopper.post(REAL_NAME, typed(**changed))
    page = words(answer)
    assert said in page
    assert 'aria-invalid="true"' in page or said
    assert escape(changed.get("name", "王五")) in page
    buyer.refresh_from_db()
    assert buyer.verified_at is None


def test_verifying_again_leads_back(shopper, buyer):
    verified(buyer)
    assert shopper.get(REAL_NAME).headers["Location"] == PAGE
    assert shopper.post(REAL_NAME, typed()).headers["Location"] == PAGE
    assert not RealNameCheck.objects.exists()


def test_where_nobody_verifies_there_is_no_form(shopper, settings):
    settings.REALNAME_PROVIDER = ""
    assert shopper.get(REAL_NAME).headers["Location"] == PAGE
    assert "暂未开通实名认证" in words(shopper.get(PAGE))


def test_many_tries_are_slowed_down(shopper, buyer):
    child = typed(number=id_number("20200101"))
    answers = [shopper.post(REAL_NAME, child).status_code for _ in range(12)]
    assert answers[-1] == 429
    assert RealNameCheck.objects.count() <= 5


def test_a_guest_is_led_to_an_account(make_product):
    guest = User.objects.create(username="guest-x", is_guest=True)
    client = Client()
    client.force_login(guest, backend="accounts.guests.QueryPassword")
    for path in (PAGE, REAL_NAME):
        assert client.get(path).headers["Location"] == "/orders/claim/"
        assert client.post(path, typed(on="1")).headers["Location"] == "/orders/claim/"
    assert not ExpressOptIn.objects.exists()
    with pytest.raises(CannotOptIn):
        express.turn_on(verified(guest), at=clock.now())


def test_it_can_be_read_in_english(shopper, buyer):
    shopper.cookies["cardshop_language"] = "en"
    page = words(shopper.get(PAGE))
    assert "Verify your real name first" in page
    assert "ID number" in words(shopper.get(REAL_NAME))


def test_the_rule_itself_asks_for_both(buyer, buy, apply):
    """Opted in without a real name, by whatever way: a person decides."""
    ExpressOptIn.objects.create(user=buyer, since=clock.now())
    refund = apply(buy(price_fen=30_000))
    assert refund.status == Status.FIRST_REVIEW
    results = {row["rule"]: row["passed"] for row in PreCheck.objects.get(refund=refund).results}
    assert results["express_opted_in"] is False
    assert policy.weights(results)["express_opted_in"] == "fact"
    assert Refund.objects.count() == 1
