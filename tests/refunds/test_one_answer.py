"""One answer at every door: what the rules say before anything is sent, the wizard, the API, the pre-check and the
reviewer's panel read alike, case by case, over orders of every kind in every state."""

from __future__ import annotations

import html
import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

import clock
from money import yuan
from orders import delivery, placing, service_jobs
from orders.models import Order
from orders.placing import Wish
from payments.models import ChannelAccount, Payment, PaymentStatus
from refunds import applying, casefile, policy, precheck, refundable
from refunds.applying import Application, Preview
from refunds.lifecycle import StepRefused
from refunds.models import Destination, DraftImage, ExpressOptIn, PreCheck, Refund, RefundDraft, RefundLine, Status
from refunds.reasons import REASONS
from shops.models import CardCode, SupplierAnswer
from shops.policy_terms import SLOTS
from shops.stock import Viewer
from tests.cast import person

TERMS: list[dict[str, Any]] = [
    {},
    {"fee_percent": 10, "balance_fee_percent": 2},
    {"window_days": 0},
    {"express_below_fen": 0, "evidence_after_hours": 1},
    {"kinds": {"card_code": {"window_days": 3, "cooling_off_hours": 1, "slots": ["unused"]}}, "fee_percent": 50},
    {"express_needs_no_record": True, "reasons_without": "late"},
]
GOODS: list[dict[str, Any]] = [
    {"kind": "card_code"}, {"kind": "card_code", "is_cross_border": True}, {"kind": "account"}, {"kind": "membership"},
    {"kind": "activation_code"}, {"kind": "service", "fulfilment": "service"},
]  # fmt: skip
PRICES = [1, 33, 3000, 4999, 5000, 20_001, 49_999, 60_000]


BATCH = 100  # applications a test: within one transaction thousands make every look at them slower than the one before


@dataclass
class World:
    """Products under every policy, buyers with every record, and dice."""

    dice: random.Random
    products: list[Any]
    buyers: list[Any]
    clients: dict[int, Client]  # by buyer, signed in
    account: ChannelAccount
    merchant: Any


@pytest.fixture
def world(seed: int, make_product: Any, shop: Any, supplier: Any, merchant: Any) -> World:
    """Every kind, price and policy is in every world; which meet in one product goes by turns, seed by seed."""
    from payments import channels

    products = [
        make_product(
            price_fen=PRICES[(number + seed) % len(PRICES)], stock=60, name=f"商品 {number}", supplier=supplier,
            **goods, **_terms(number + number // len(GOODS) + seed),
        )
        for number, goods in enumerate(GOODS * 2)
    ]  # fmt: skip
    buyers = [person(f"buyer{number}", "buyer") for number in range(12)]
    for number, buyer in enumerate(buyers):
        if number % 3:
            ExpressOptIn.objects.create(user=buyer, since=clock.now())
        if number % 3 == 2:
            buyer.verified_at = clock.now()
            buyer.save()
    clients = {buyer.pk: signed_in(buyer) for buyer in buyers}
    return World(random.Random(seed), products, buyers, clients, channels.account("wechat"), merchant)


def _terms(turn: int) -> dict[str, Any]:
    from shops.policy_terms import usual_reasons

    terms = dict(TERMS[turn % len(TERMS)])
    if without := terms.pop("reasons_without", ""):
        terms["reasons"] = [row for row in usual_reasons() if row["reason"] != without]
    return terms


def signed_in(buyer: Any) -> Client:
    client = Client()
    client.force_login(buyer)
    return client


def get(client: Client, address: str, query: dict[str, Any] | None = None) -> Any:
    """Signed in, on a device never seen: one that has asked before has a purse of its own."""
    for name in client.cookies.keys() - {settings.SESSION_COOKIE_NAME}:
        del client.cookies[name]
    return client.get(address, query)


def bought(world: World) -> Order:
    """An order paid up to twenty days ago, whatever became of it since: by the steps that do it."""
    dice, product = world.dice, world.dice.choice(world.products)
    at = clock.now() - timedelta(minutes=dice.randint(0, 20 * 24 * 60))
    buyer = dice.choice(world.buyers)
    wish = Wish(dice.randint(1, 3), again=True)
    order = placing.place(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=at)
    Payment.objects.create(
        order=order, account=world.account, amount_fen=order.total_fen, status=PaymentStatus.PAID, created_at=at,
        expires_at=order.expires_at, paid_at=at, channel_transaction_id=uuid.uuid4().hex,
        payer_key=dice.choice([None, b"p" * 32]),
    )  # fmt: skip
    delivery.mark_paid(order, at=at)
    order.refresh_from_db()
    for line in order.lines.all():
        _happens_to(line, world, at)
    return order


def _happens_to(line: Any, world: World, at: datetime) -> None:
    """Seen or not, and what the issuer says of it; begun, done or waiting, where it is work."""
    dice = world.dice
    if line.fulfilment == "service":
        done = dice.randint(0, 2)
        if done >= 1:
            service_jobs.start(line.service, by=world.merchant, at=at)
        if done == 2:
            service_jobs.hand_over(line.service, by=world.merchant, at=at, text="已完成")
        return
    if dice.random() < 0.5:
        seen_at = at + timedelta(seconds=30)
        delivery.reveal(
            line, viewer=Viewer(line.order.buyer, "203.0.113.7", "phone"), at=seen_at, verified_by="password"
        )
        if dice.random() < 0.5:
            code = CardCode.objects.get(delivery__line=line)
            redeemed_at = dice.choice([None, seen_at - timedelta(days=1), seen_at, seen_at + timedelta(hours=1)])
            SupplierAnswer.objects.create(
                supplier=line.product.supplier, about=f"code:{code.pk}", at=at, effective_at=redeemed_at,
                state="redeemed" if redeemed_at else "unredeemed", body="{}", timestamp="1", nonce="n", signature="s",
                public_key_digest="0" * 64,
            )  # fmt: skip


def wish_for(order: Order, world: World) -> Application:
    """Any reason, any of the units, all or a part of the money, with any pictures, to either destination."""
    dice = world.dice
    lines = list(order.lines.values_list("pk", flat=True))
    some = sorted(dice.sample(lines, dice.randint(1, len(lines)))) if dice.random() < 0.5 else None
    draft = RefundDraft.objects.create(order=order, updated_at=clock.now())
    pictures = [
        DraftImage.objects.create(
            draft=draft, slot=slot, image=f"evidence/{slot}.jpeg", content_type="image/jpeg", width=9, height=9,
            digest=uuid.uuid4().hex * 2, created_at=clock.now(),
        )
        for slot in dice.sample(SLOTS, dice.choice([0, 0, 1, 4]))
    ]  # fmt: skip
    return Application(
        reason=dice.choice(list(REASONS)),
        description="11月20日晚8点兑换，提示卡密已使用",
        amount_fen=dice.choice([None, None, None, 1, max(1, order.total_fen // 2)]),
        line_ids=some,
        draft_images=pictures,
        destination=dice.choice([Destination.ORIGINAL, Destination.ORIGINAL, Destination.BALANCE]),
    )


def asked_over_the_api(client: Client, order: Order, wish: Application) -> Any:
    """The API takes no pictures and no destination here: it is asked about the same goods and the same sum."""
    query: dict[str, Any] = {"reason": wish.reason}
    if wish.amount_fen is not None:
        query["amount_fen"] = wish.amount_fen
    if wish.line_ids is not None:
        query["line_ids"] = wish.line_ids
    return get(client, f"/api/orders/{order.order_no}/eligibility/", query)


@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_applications_have_one_answer_each(world, seed):
    """S0-12, S0-31, S2-5, S2-7: the same rules, asked at every door."""
    check(world, BATCH)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(10, 110))
def test_ten_thousand_applications_have_one_answer_each(world, seed):
    check(world, BATCH)


def check(world: World, count: int) -> None:
    answers = {"auto_approve": 0, "send_to_review": 0, "turn_down": 0, "refused": 0}
    while sum(answers.values()) < count:
        order = bought(world)
        client = world.clients[order.buyer_id]
        answer = one_answer(client, order, wish_for(order, world))
        answers[answer] += 1
        if answer == "refused" or world.dice.random() < 0.3:  # asks for something else, or for what is left
            _ends(order, world)
            answers[one_answer(client, order, wish_again(order, world))] += 1
    assert all(answers.values()), answers  # every way out was taken


def wish_again(order: Order, world: World) -> Application:
    RefundDraft.objects.filter(order=order).delete()
    return wish_for(order, world)


def _ends(order: Order, world: World) -> None:
    """The first case is over, one way or the other, so that another may be asked for."""
    refund = order.refunds.filter(status=Status.FIRST_REVIEW).first()
    if refund:
        from refunds import lifecycle

        lifecycle.withdraw(refund, by=order.buyer, at=clock.now())


def one_answer(client: Client, order: Order, wish: Application) -> str:
    """Asked everywhere; the pre-check's step, or "refused" where nothing can be submitted."""
    at = clock.now()
    try:
        foretold = applying.preview(order, wish, at=at)
    except StepRefused as refusal:
        _is_refused_alike(client, order, wish, refusal)
        return "refused"
    _is_what_the_api_says(client, order, wish, foretold)
    if not order.refunds.filter(status__in=Status.active()).exists():
        _is_what_the_wizard_shows(client, order, wish, foretold)
    refund = _submitted(order, wish, at)
    if isinstance(refund, StepRefused):  # an active case, nothing left, or more than there is
        assert refund.code in {"already_active", "nothing_left", "amount_out_of_range"}, refund.code
        assert order.refunds.exists() or foretold.verdict.step == "turn_down"
        return "refused"
    precheck.run([Refund.objects.select_related("order__policy", "payment").get(pk=refund.pk)], at=at)
    refund.refresh_from_db()
    _is_what_the_pre_check_did(refund, foretold)
    _is_what_the_reviewer_reads(refund, foretold, at)
    _adds_up(refund, foretold)
    return foretold.verdict.step


def _submitted(order: Order, wish: Application, at: datetime) -> Refund | StepRefused:
    try:
        return applying.submit(order, wish, by=order.buyer, at=at)
    except StepRefused as refusal:
        return refusal


def _is_refused_alike(client: Client, order: Order, wish: Application, refusal: StepRefused) -> None:
    with pytest.raises(StepRefused) as refused:
        applying.submit(order, wish, by=order.buyer, at=clock.now())
    assert refused.value.code in {refusal.code, "already_active"}
    response = asked_over_the_api(client, order, wish)
    assert response.status_code in {400, 409}, response.json()
    assert response.json()["code"] == refusal.code


def _is_what_the_api_says(client: Client, order: Order, wish: Application, foretold: Preview) -> None:
    plain = applying.preview(
        order, Application(wish.reason, amount_fen=wish.amount_fen, line_ids=wish.line_ids), at=foretold.facts.at
    )
    response = asked_over_the_api(client, order, wish)
    assert response.status_code == 200, response.json()
    said = response.json()
    assert (said["next_step"], said["lane"], said["sentence"]) == (
        plain.verdict.step, plain.verdict.lane, plain.verdict.sentence,
    )  # fmt: skip
    assert [(rule["rule"], rule["passed"], rule["sentence"]) for rule in said["results"]] == [
        (rule.rule, rule.passed, rule.sentence) for rule in plain.verdict.results
    ]
    assert said["asked_fen"] == said["fee_fen"] + said["refund_fen"] == plain.amounts.asked_fen


def _is_what_the_wizard_shows(client: Client, order: Order, wish: Application, foretold: Preview) -> None:
    """Its last page, before it is sent: the sentence, every rule that means something to the buyer, and the sums."""
    positions = dict(order.lines.values_list("pk", "position"))
    draft = RefundDraft.objects.get(order=order)
    draft.answers = {
        "reason": wish.reason,
        "lines": None if wish.line_ids is None else [positions[line] for line in wish.line_ids],
        "description": wish.description,
        "amount_fen": wish.amount_fen,
        "destination": wish.destination,
    }
    draft.save()
    page = get(client, reverse("storefront:apply_check", args=[order.order_no]))
    if page.status_code == 302:  # nothing is left of it
        assert foretold.facts.amount_fen == 0 or foretold.facts.refundable_fen < foretold.facts.amount_fen
        return
    verdict, text = page.context["verdict"], html.unescape(page.content.decode())
    weights = policy.weights({rule.rule: rule.passed for rule in foretold.verdict.results})
    assert (verdict["step"], verdict["sentence"]) == (foretold.verdict.step, foretold.verdict.sentence)
    assert [(rule, said) for _weight, said, rule in verdict["rules"]] == [
        (rule.rule, rule.sentence) for rule in foretold.verdict.results if rule.rule in weights
    ]
    assert foretold.verdict.sentence in text
    assert yuan(foretold.amounts.refund_fen) in text


def _is_what_the_pre_check_did(refund: Refund, foretold: Preview) -> None:
    kept = PreCheck.objects.get(refund=refund)
    assert (kept.verdict, refund.lane) == (foretold.verdict.step, foretold.verdict.lane)
    assert kept.results == [result.as_json() for result in foretold.verdict.results]
    assert policy.decide(policy.Facts.of_json(kept.facts)) == foretold.verdict
    if kept.verdict == "turn_down":
        assert refund.decision_note == foretold.verdict.sentence  # what the buyer is told


def _is_what_the_reviewer_reads(refund: Refund, foretold: Preview, at: datetime) -> None:
    refund = Refund.objects.select_related("order__shop", "order__policy", "payment__account", "buyer").get(
        pk=refund.pk
    )
    file = casefile.open_file(refund, at=at)
    assert file.checks is not None
    assert [rule["sentence"] for rule in file.checks.results] == [r.sentence for r in foretold.verdict.results]


def _adds_up(refund: Refund, foretold: Preview) -> None:
    """I1, I12, PM12: the parts sum to the refund, and nobody gets more than was paid."""
    lines = list(RefundLine.objects.filter(refund=refund).select_related("order_line"))
    assert sum(line.amount_fen for line in lines) == refund.amount_fen == foretold.amounts.refund_fen
    assert sum(line.fee_fen for line in lines) == refund.fee_fen == foretold.amounts.fee_fen
    order = refund.order
    promised = refundable.promised_fen(RefundLine.objects.filter(order_line__order=order))
    prices = dict(order.lines.values_list("pk", "price_fen"))
    assert all(fen <= prices[line] for line, fen in promised.items())
    assert sum(promised.values()) <= order.total_fen
