"""Cases in every status, each reached by living through it; and everything that a refused step must leave alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

CARD = "招商银行借记卡0403"
LARGE = 66_600  # above the line of the usual policy


@pytest.fixture
def buy_by_card(buyer, make_product, simulator) -> Callable[..., Any]:
    """A paid order whose money came from a bank card: paid out is not arrived then."""

    def buy_order(price_fen: int = 8800, **terms: Any) -> Any:
        import uuid

        import clock
        from orders.placing import Wish
        from payments import charging

        payment = charging.checkout(
            make_product(price_fen, **terms),
            Wish(again=True),
            buyer=buyer,
            checkout_key=uuid.uuid4(),
            at=clock.now(),
        )
        payment = charging.present(payment, at=clock.now())
        simulator.post("pay", out_trade_no=payment.payment_no, funding=CARD)
        charging.look([payment], at=clock.now())
        payment.order.refresh_from_db()
        return payment.order

    return buy_order


@pytest.fixture
def reviewed(buy, reveal, apply) -> Callable[..., Any]:
    """A case that a person must decide: ``reviewed(price_fen=8800)``; its code was looked at.

    ``destination="balance"``: its buyer wants it there.
    """

    def build(order: Any = None, destination: str = "original", line_ids: Any = None, **purchase: Any) -> Any:
        order = order or buy(**{"price_fen": 8800} | purchase)
        if not order.refunds.exists():
            reveal(order)
        return apply(order, destination=destination, line_ids=line_ids)

    return build


@pytest.fixture
def approved(reviewed, reviewer) -> Callable[..., Any]:
    """A case that waits for finance."""

    def build(order: Any = None, **purchase: Any) -> Any:
        import clock
        from refunds import lifecycle

        refund = reviewed(order, **purchase)
        lifecycle.approve([refund], by=reviewer, at=clock.now())
        refund.refresh_from_db()
        return refund

    return build


@pytest.fixture
def released(approved, finance, simulator) -> Callable[..., Any]:
    """A case whose money is on its way, nothing sent yet; the channel will hold it until it is told how it ends.

    ``released(channel="alipay")`` was paid there. Alipay knows no 受理: what it holds is UNKNOWN until it is done.
    """

    def build(order: Any = None, **purchase: Any) -> Any:
        import clock
        from refunds import disbursement

        refund = approved(order, **purchase)
        disbursement.release([refund], by=finance, at=clock.now())
        simulator.post("settle", request_no=attempt_of(refund).request_no, status="PROCESSING", in_advance=True)
        refund.refresh_from_db()
        return refund

    return build


@pytest.fixture
def ends_as(simulator) -> Callable[..., Any]:
    """The channel takes the case's refund on, ends it so, and the shop hears: ``ends_as(refund, "CLOSED")``."""

    def run(refund: Any, status: str) -> Any:
        import clock
        from payments import refunding
        from refunds import disbursement

        refunding.sweep(at=clock.now())
        simulator.settle(attempt_of(refund).request_no, status)
        hint(attempt_of(refund))
        refunding.sweep(at=clock.now())
        disbursement.hear(at=clock.now())
        refund.refresh_from_db()
        return refund

    return run


def hint(attempt: Any) -> None:
    """A notification about this attempt has come."""
    import clock
    from payments import refunding

    refunding.hint(attempt.payment.account, attempt.request_no, at=clock.now())


def attempt_of(refund: Any) -> Any:
    """The latest attempt of a case, as it is now."""
    return refund.disbursements.latest("pk").attempt


def everything() -> dict[str, list[tuple]]:
    """Every row that a refund could touch."""
    from ledger.models import Entry
    from notices.models import Notice
    from orders.models import Order
    from payments.models import Payment, RefundAttempt, Transfer
    from refunds.models import (
        Appeal,
        BalanceCredit,
        Consultation,
        Disbursement,
        Evidence,
        Offer,
        PreCheck,
        RedirectAgreement,
        RedirectTransfer,
        Refund,
        RefundEvent,
        RefundLine,
    )
    from shops.models import CardCode, CodeEvent

    models = [Refund, RefundEvent, RefundLine, Evidence, PreCheck, Disbursement, BalanceCredit, RefundAttempt, Payment,
              Offer, Appeal, Consultation, RedirectAgreement, RedirectTransfer, Transfer, Order, CardCode,
              CodeEvent, Entry, Notice]  # fmt: skip
    return {model.__name__: sorted(model.objects.values_list(), key=repr) for model in models}


@contextmanager
def scripted_channel(credentials: Any, settings: Any) -> Iterator[None]:
    """Inside, the shop's channel is the one of these credentials: it answers as the test says."""
    from payments.models import ChannelAccount

    ChannelAccount.objects.filter(code="wechat").update(merchant_id=credentials.mchid)  # the very same merchant
    settings.WECHAT = {name: getattr(credentials, name) for name in credentials.__dataclass_fields__}
    yield


# --- steps, and every situation that they are tried in ---------------------------------------------------------------

# What a step says where it has to say something, whatever the step: by the names of its parameters.
WORDS: dict[str, Any] = {"note": "按记录处理", "ground": "overlooked", "hours": 24, "verified_by": "password"}


def take(step: str, refund: Any, by: Any, **words: Any) -> None:
    """Take a step by its own function, with usual words; where only the machine can call that, by the table itself.

    An offer is of half the money unless it says otherwise: ``take("offer", refund, merchant, amount_fen=None)``.
    """
    import clock
    from refunds import lifecycle
    from refunds.models import Lane

    function = getattr(lifecycle, step)
    takes = inspect.signature(function).parameters
    if by is not None and "by" not in takes:
        with lifecycle.take(step, [refund], by=by, at=clock.now()):
            return
    usual = WORDS | {"amount_fen": max(1, refund.amount_fen // 2), "lane": Lane.ONE_CLICK}
    if step != "appeal":
        usual["ground"] = "not_so"
    said = {name: value for name, value in (usual | {"by": by} | words).items() if name in takes}
    function([refund] if "refunds" in takes else refund, at=clock.now(), **said)
    refund.refresh_from_db()


@dataclass(frozen=True)
class House:
    """Who and what a situation is made with: fixtures of the cast, together."""

    buyer: Any
    stranger: Any
    merchant: Any
    reviewer: Any
    colleague: Any
    senior: Any
    other_senior: Any
    finance: Any
    cashier: Any
    operator: Any
    buy: Callable[..., Any]
    reveal: Callable[..., Any]
    ask: Callable[..., Any]
    ends_as: Callable[..., Any]
    simulator: Any

    def people(self) -> dict[str, Any]:
        """Everybody who could try, by the name of their fixture."""
        kept = {"buy", "reveal", "ask", "ends_as", "simulator"}
        return {name: person for name, person in vars(self).items() if name not in kept}

    def case(self, *steps: str, destination: str = "original", **purchase: Any) -> Any:
        """A case that was looked at, pre-checked, and led on: ``case("reviewer uphold", "senior approve_second")``."""
        order = self.buy(**{"price_fen": 8800} | purchase)
        self.reveal(order)
        return self.on(self.ask(order, destination=destination), *steps)

    def with_shop(self, *steps: str, **purchase: Any) -> Any:
        """A case that its shop was asked about."""
        return self.case(*steps, **{"merchant_hours": 24} | purchase)

    def on(self, refund: Any, *steps: str, **words: Any) -> Any:
        """Lead it on, a step and who takes it at a time; "system" is the machine."""
        for line in steps:
            who, step = line.split()
            take(step, refund, None if who == "system" else self.people()[who], **words)
        return refund

    def sent(self, refund: Any, by: Any = None) -> Any:
        """Its money is on its way; the channel holds it until it is told how it ends."""
        import clock
        from refunds import disbursement

        person = (by or self.finance) if refund.lane == "standard" else None
        disbursement.release([refund], by=person, at=clock.now())
        self.simulator.post("settle", request_no=attempt_of(refund).request_no, status="PROCESSING", in_advance=True)
        refund.refresh_from_db()
        return refund


@pytest.fixture
def colleague(db) -> Any:
    """Another reviewer."""
    from tests.cast import person

    return person("colleague", "reviewer")


@pytest.fixture
def other_senior(db) -> Any:
    from tests.cast import person

    return person("other_senior", "senior")


@pytest.fixture
def cashier(db) -> Any:
    """Another of finance."""
    from tests.cast import person

    return person("cashier", "finance")


@pytest.fixture
def house(
    buyer, stranger, merchant, reviewer, colleague, senior, other_senior, finance, cashier, operator, buy, reveal,
    apply, ends_as, simulator,
) -> House:  # fmt: skip
    return House(
        buyer, stranger, merchant, reviewer, colleague, senior, other_senior, finance, cashier, operator, buy, reveal,
        apply, ends_as, simulator,
    )  # fmt: skip


def passes(refund: Any, **time: Any) -> Any:
    """Time goes by, and the machine looks at what is due."""
    import clock
    from refunds import sweeping

    clock.advance(timedelta(**time))
    while sweeping.sweep(at=clock.now()):
        pass
    refund.refresh_from_db()
    return refund


def _offered_above_limit(house: House) -> Any:
    refund = house.case(price_fen=LARGE)
    return house.on(refund, "reviewer propose_offer", "senior confirm_offer", amount_fen=LARGE - 1)


def _replacement_is_offered(house: House) -> Any:
    return house.on(house.with_shop(), "merchant offer", amount_fen=None)


def _not_delivered(house: House, **purchase: Any) -> Any:
    """A case of what was never delivered, above the limit: a lane of rules has decided on it."""
    return house.ask(house.buy(price_fen=LARGE, stock=0, **purchase), reason="undelivered")


def _sent_by_machine_and_closed(house: House) -> Any:
    return house.ends_as(house.sent(_not_delivered(house)), "CLOSED")


def _canceled_meanwhile(house: House) -> Any:
    """What it is about was canceled while people look at it."""
    import clock
    from orders import cancellation

    refund = house.ask(house.buy(price_fen=8800, stock=0), reason="other", precheck=False)
    house.on(refund, "system send_to_review")
    cancellation.cancel(refund.order, cause=cancellation.Cause.BUYER, by=None, at=clock.now(), reason="测试")
    return refund


def _asked_again(house: House) -> Any:
    refund = house.case("reviewer reject")
    house.ask(type(refund.order).objects.get(pk=refund.order_id))
    return refund


def _missing(house: House) -> Any:
    """Paid out, and not there after the last day on which it was expected."""
    return passes(_paid_out(house), days=30)


def _paid_out(house: House) -> Any:
    return house.ends_as(house.sent(house.case("reviewer approve", funding=CARD)), "SUCCESS")


def _credited(house: House) -> Any:
    import clock
    from refunds import disbursement

    refund = house.case("reviewer approve", destination="balance")
    disbursement.release([refund], by=house.finance, at=clock.now())
    refund.refresh_from_db()
    return refund


def _returned(house: House, how: str) -> Any:
    return house.ends_as(house.sent(house.case("reviewer approve")), how)


def own_card(buyer: Any, *, hours_ago: float = 25, bank: str = "招商银行", kind: str = "bank") -> Any:
    """An account in the buyer's verified real name, laid down so long ago."""
    import clock
    from accounts import realname
    from payments import payees
    from payments.transfer_models import PayeeKind
    from tests.accounts.id_numbers import id_number

    buyer.refresh_from_db()
    if buyer.verified_at is None:
        realname.verify(buyer, "李雷", id_number(), at=clock.now())
        buyer.refresh_from_db()
    account = payees.Account(PayeeKind(kind), "李雷", "6214830100001234", bank)
    proof = {"real_name": realname.passed(buyer)}
    return payees.lay_down(account, by=buyer, user=buyer, at=clock.now() - timedelta(hours=hours_ago), **proof)


def signed_for_account(house: House, refund: Any, **account: Any) -> Any:
    """Its buyer has signed for an account of his own."""
    from refunds import own_account

    return house.on(refund, "buyer sign_redirect", holder_proof=own_account.proof_of(own_card(house.buyer, **account)))


def _to_account(house: House) -> Any:
    return house.on(signed_for_account(house, _returned(house, "CLOSED")), "cashier confirm_redirect")


def transfer_asked(house: House) -> Any:
    """Confirmed, and released by another: the transfer waits for its approval."""
    import clock
    from refunds import disbursement

    refund = _to_account(house)
    disbursement.release([refund], by=house.finance, at=clock.now())
    refund.refresh_from_db()
    return refund


def transferred(house: House) -> Any:
    """The bank has paid it, and the case has heard."""
    import clock
    from payments import transfers
    from refunds import disbursement

    refund = transfer_asked(house)
    row = transfer_of(refund)
    transfers.approve(row, by=house.finance, at=clock.now())
    at = clock.now()
    transfers.mark_paid(row, by=house.cashier, at=at, paid_at=at, voucher=f"V{row.pk}")
    disbursement.hear(at=at)
    refund.refresh_from_db()
    return refund


def transfer_of(refund: Any) -> Any:
    """The latest transfer of a case, as it is now."""
    return refund.redirect_transfers.latest("pk").transfer


# Every status (the words before the comma), each lived through; some in several ways.
SITUATIONS: dict[str, Callable[[House], Any]] = {
    "submitted": lambda house: house.ask(house.buy(), precheck=False),
    "merchant_review": lambda house: house.with_shop(),
    "merchant_review, above the limit": lambda house: house.with_shop(price_fen=LARGE),
    "merchant_review, late": lambda house: late(house.with_shop()),
    "offered": lambda house: house.with_shop("merchant offer"),
    "offered, a replacement": _replacement_is_offered,
    "offered, by the platform": lambda house: house.case("reviewer make_offer"),
    "offered, above the limit": _offered_above_limit,
    "first_review": lambda house: house.case(),
    "first_review, above the limit": lambda house: house.case(price_fen=LARGE),
    "first_review, contested": lambda house: house.with_shop("merchant contest"),
    "first_review, agreed above the limit": lambda house: house.with_shop(
        "merchant agree_above_limit", price_fen=LARGE
    ),
    "first_review, upheld once and sent back": lambda house: house.case(
        "reviewer uphold", "senior send_back", price_fen=LARGE
    ),
    "first_review, claimed": lambda house: house.case("colleague claim"),
    "first_review, consulted": lambda house: house.case("reviewer consult"),
    "first_review, escalated": lambda house: passes(house.case(), days=14),
    "first_review, halted": lambda house: house.case("reviewer approve", "finance halt"),
    "first_review, canceled": _canceled_meanwhile,
    "awaiting_evidence": lambda house: house.case("reviewer request_evidence"),
    "awaiting_evidence, of the shop": lambda house: house.on(house.case(), "reviewer request_evidence", of="merchant"),
    "awaiting_evidence, in the second review": lambda house: house.case("reviewer uphold", "senior request_more"),
    "awaiting_evidence, in the appeal": lambda house: house.case(
        "reviewer reject", "buyer appeal", "senior request_more"
    ),
    "second_review": lambda house: house.case("reviewer uphold", price_fen=LARGE),
    "second_review, below the limit": lambda house: house.case("reviewer uphold"),
    "second_review, of an offer": lambda house: house.case("reviewer propose_offer", price_fen=LARGE),
    "second_review, of a replacement": lambda house: house.on(
        house.case(price_fen=LARGE), "reviewer propose_offer", amount_fen=None
    ),
    "second_review, reopened": lambda house: house.case("reviewer reject", "senior reopen", price_fen=LARGE),
    "second_review, appeal upheld": lambda house: house.case(
        "reviewer reject", "buyer appeal", "senior uphold_appeal", price_fen=LARGE
    ),
    "second_review, sent again": lambda house: house.on(
        _sent_by_machine_and_closed(house), "finance reissue_above_limit"
    ),
    "appeal_review": lambda house: house.case("reviewer reject", "buyer appeal"),
    "appeal_review, above the limit": lambda house: house.case("reviewer reject", "buyer appeal", price_fen=LARGE),
    "appeal_review, of a senior's refusal": lambda house: house.case("senior reject", "buyer appeal"),
    "approved": lambda house: house.case("reviewer approve"),
    "approved, above the limit": lambda house: house.case("reviewer uphold", "senior approve_second", price_fen=LARGE),
    "approved, by the shop": lambda house: house.with_shop("merchant agree"),
    "approved, less by an offer": lambda house: house.with_shop("merchant offer", "buyer accept_offer"),
    "approved, automatic": lambda house: _not_delivered(house),
    "approved, to the balance": lambda house: house.case("reviewer approve", destination="balance"),
    "processing": lambda house: house.sent(house.case("reviewer approve")),
    "paid_out": _paid_out,
    "paid_out, not there": _missing,
    "paid_out, missing": lambda house: house.on(_missing(house), "buyer report_missing"),
    "arrived": lambda house: house.ends_as(house.sent(house.case("reviewer approve")), "SUCCESS"),
    "arrived, on the balance": _credited,
    "replaced": lambda house: house.on(_replacement_is_offered(house), "buyer accept_replacement"),
    "rejected": lambda house: house.case("reviewer reject"),
    "rejected, appeal over": lambda house: passes(house.case("reviewer reject"), days=7),
    "rejected, for good": lambda house: house.case("reviewer reject", "buyer appeal", "senior dismiss_appeal"),
    "rejected, asked again": _asked_again,
    "withdrawn": lambda house: house.case("buyer withdraw"),
    "closed": lambda house: house.case("senior close"),
    "returned": lambda house: _returned(house, "ABNORMAL"),
    "returned, closed": lambda house: _returned(house, "CLOSED"),
    "returned, sent by the machine above the limit": _sent_by_machine_and_closed,
    "redirect_signed": lambda house: house.on(_returned(house, "CLOSED"), "buyer sign_redirect"),
    "redirect_signed, for an account": lambda house: signed_for_account(house, _returned(house, "CLOSED")),
    "redirect_signed, for an account of today": lambda house: signed_for_account(
        house, _returned(house, "CLOSED"), hours_ago=1, bank="工商银行"
    ),
    "redirect_signed, for a card that the channel pays": lambda house: signed_for_account(
        house, house.ends_as(house.sent(house.case("reviewer approve"), by=house.cashier), "ABNORMAL")
    ),
    "approved, to an account": _to_account,
    "processing, to an account": transfer_asked,
    "paid_out, to an account": transferred,
}


def late(refund: Any) -> Any:
    """At the very second at which its time is over, before the machine has looked."""
    import clock

    clock.advance(refund.promised_by - clock.now())
    return refund


def negotiated(house: House) -> dict[str, Any]:
    """Rows in every table of what was offered, appealed, asked, objected and signed: {what: the case}, each open."""
    import clock
    from refunds import objections

    consulted = house.case("reviewer consult", "reviewer record_answer", "reviewer consult")
    against = house.with_shop("merchant contest", "reviewer approve")
    objections.object(against, by=house.merchant, at=clock.now(), text="兑换记录在附件")
    return {
        "offered": house.with_shop("merchant offer"),
        "accepted": house.case("reviewer make_offer", "buyer accept_offer"),
        "proposed": house.case("reviewer propose_offer", "senior confirm_offer", price_fen=LARGE),
        "appealed": house.case("reviewer reject", "buyer appeal"),
        "consulted": consulted,
        "objected": against,
        "signed": SITUATIONS["redirect_signed"](house),
        "confirmed": house.on(SITUATIONS["redirect_signed"](house), "finance confirm_redirect"),
    }
