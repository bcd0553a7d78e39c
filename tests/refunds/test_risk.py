"""风险提示 (S0-31): shown with their reasons, to those who decide and nobody else; never a ground by themselves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import clock
from refunds import applying, casefile, lifecycle, risk, sweeping
from refunds.lifecycle import StepRefused
from refunds.models import Refund, Status
from refunds.policy import Cap
from refunds.risk import Seen, weigh
from tests.cast import person

DEVICE, OTHER_DEVICE = bytes(range(32)), bytes(32)


# --- weighed, without a database --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (Seen(device_buyers=1), "device"),
        (Seen(payer_buyers=2), "payer"),
        (Seen(address_guests=1), "address"),
        (Seen(refunds=3, orders=6), "refunds"),
        (Seen(account_age=timedelta(days=6), amount_fen=20_000), "account"),
        (Seen(since_reveal=timedelta(minutes=9, seconds=59)), "soon"),
        (Seen(pictures_elsewhere=1), "picture"),
        (Seen(caps=[Cap("one_click", "payer", 24_000, 30_000)]), "caps"),
    ],
)
def test_each_hint_says_why_and_what_else_it_may_mean(seen, code):
    (hint,) = weigh(seen)
    assert hint.code == code
    assert hint.title
    assert hint.because
    assert hint.otherwise


@pytest.mark.parametrize(
    "seen",
    [
        Seen(),
        Seen(refunds=2, orders=2),
        Seen(refunds=3, orders=7),
        Seen(account_age=timedelta(days=7), amount_fen=99_999),
        Seen(account_age=timedelta(0), amount_fen=19_999),
        Seen(account_age=None, amount_fen=99_999),
        Seen(since_reveal=timedelta(minutes=10)),
        Seen(since_reveal=timedelta(seconds=-1)),
        Seen(caps=[Cap("one_click", "payer", 23_999, 30_000)]),
    ],
)
def test_what_is_usual_gives_none(seen):
    assert weigh(seen) == []


def everything() -> Seen:
    return Seen(
        amount_fen=99_900, device_buyers=2, payer_buyers=3, address_guests=4, refunds=5, orders=6,
        account_age=timedelta(days=1), since_reveal=timedelta(minutes=2), pictures_elsewhere=1,
        caps=[Cap("one_click", "payer", 30_000, 30_000)],
    )  # fmt: skip


def test_a_refusal_that_only_repeats_hints_is_recognized():
    found = weigh(everything())
    assert {hint.code for hint in found} == set(risk.TITLES)
    for hint in found:
        for note in (hint.title, hint.because, f"{hint.title}：{hint.because}。", f"拒绝。{hint.title}！"):
            assert risk.quotes_only_hints(note), note
    assert risk.quotes_only_hints("，".join(hint.title for hint in found))


@pytest.mark.parametrize(
    "note",
    ["", "卡密已于 11-20 20:03 在您的设备上查看，发卡方记录显示 20:05 兑换。", "超过 15 天售后期",
     "同一设备有多名买家；发卡方记录显示卡密在查看之后兑换", "截图里的订单号不是这一单", "未在 15 天内申请",
     "拒绝", "查看卡密后使用了"],
)  # fmt: skip
def test_a_refusal_with_a_ground_is_not(note):
    assert not risk.quotes_only_hints(note)


# --- looked up --------------------------------------------------------------------------------------------------------


def case(order, device=None) -> Refund:
    refund = applying.submit(
        order,
        applying.Application(reason="invalid_code", description="提示已使用", device_key=device),
        by=order.buyer,
        at=clock.now(),
    )
    sweeping.sweep(at=clock.now())
    return Refund.objects.select_related("order__shop", "order__policy", "payment__account", "buyer").get(pk=refund.pk)


def codes_of(refund) -> set[str]:
    return {hint.code for hint in risk.hints(casefile.open_file(refund, at=clock.now()))}


@pytest.mark.django_db
def test_several_buyers_on_one_device_and_a_look_just_before(buy, reveal, buyer, stranger):
    """S0-31: who shares a device within 7 days, who asks minutes after looking."""
    first = buy(price_fen=8800)
    reveal(first)
    assert codes_of(case(first, DEVICE)) == {"soon"}
    second = buy(price_fen=8800, by=stranger)
    again = case(second, DEVICE)
    assert codes_of(again) == {"device"}
    (hint,) = risk.hints(casefile.open_file(again, at=clock.now()))
    assert "另有 1 名买家" in hint.because
    assert codes_of(case(buy(price_fen=8800, by=person("third", "buyer")), OTHER_DEVICE)) == set()


@pytest.mark.django_db
def test_one_payer_of_several_accounts(buy, buyer, stranger):
    """P12."""
    cases = []
    for who in (buyer, stranger):
        cases.append(case(buy(price_fen=8800, by=who, payer="one-and-the-same")))
    assert codes_of(case(buy(price_fen=8800, by=person("third", "buyer"), payer="another"))) == set()
    assert codes_of(cases[1]) == {"payer"}
    assert codes_of(cases[0]) == {"payer"}, "whoever asks later counts too"


@pytest.mark.django_db
def test_many_refunds_and_a_new_account_with_much_money(buy, buyer):
    case(buy(price_fen=3000))
    assert "refunds" not in codes_of(case(buy(price_fen=3000)))
    found = codes_of(case(buy(price_fen=30_000)))
    assert {"refunds", "account"} <= found
    buyer.date_joined = clock.now() - timedelta(days=30)
    buyer.save()
    last = Refund.objects.select_related("order__shop", "order__policy", "payment__account", "buyer").latest("pk")
    assert "account" not in codes_of(last)


@pytest.mark.django_db
def test_the_number_of_queries_does_not_grow(buy, buyer):
    def asked(refund) -> int:
        file = casefile.open_file(refund, at=clock.now())
        with CaptureQueriesContext(
            connection,
        ) as queries:
            risk.hints(file)
        return len(queries)

    first = asked(case(buy(price_fen=8800), DEVICE))
    for number in range(3):
        case(buy(price_fen=8800, by=person(f"p{number}", "buyer")), DEVICE)
    assert asked(case(buy(price_fen=8800, quantity=3), DEVICE)) == first <= 4


@pytest.mark.django_db
def test_the_reviewer_reads_them_the_buyer_does_not(buy, reveal, reviewer, stranger, buyer):
    reveal(order := buy(price_fen=8800))
    case(buy(price_fen=8800, by=stranger), DEVICE)
    refund = case(order, DEVICE)
    desk, shopper = Client(), Client()
    desk.force_login(reviewer, backend="django.contrib.auth.backends.ModelBackend")
    shopper.force_login(buyer, backend="django.contrib.auth.backends.ModelBackend")
    page = desk.get(f"/admin/refunds/refund/{refund.pk}/change/").content.decode()
    for said in ("风险提示", "不能单独作为拒绝理由", risk.TITLES["device"], risk.TITLES["soon"], "也可能是"):
        assert said in page
    for path in (f"/refunds/{refund.refund_no}/", f"/api/refunds/{refund.refund_no}/"):
        told = shopper.get(path).content.decode()
        assert refund.refund_no in told
        for title in ("风险提示", *risk.TITLES.values()):
            assert title not in told


@pytest.mark.django_db
def test_nobody_is_refused_by_a_hint_alone(reviewed, reviewer):
    """S0-31: at the desk and by the API, for it is the step that refuses."""
    refund = reviewed()
    for note in ("同一设备有多名买家", "风险提示：查看后很快申请。", "拒绝，同一付款账户有多名买家"):
        with pytest.raises(StepRefused) as refusal:
            lifecycle.reject([refund], by=reviewer, at=clock.now(), note=note)
        assert refusal.value.code == "hint_is_no_ground"
    refund.refresh_from_db()
    assert refund.status == Status.FIRST_REVIEW
    lifecycle.reject([refund], by=reviewer, at=clock.now(), note="发卡方记录显示卡密在查看之后兑换")
