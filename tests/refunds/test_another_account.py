"""退至本人账户 (S2-28, S2-29, P15, G8, I13): what its buyer signed for, a day later, by other people, once."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.conf import settings

import clock
from accounts import guests
from accounts.models import User
from cardshop import invariants
from ledger import balances, posting
from payments import by_hand, channels, crediting, outgoing, refunding, transfers
from payments.models import AttemptStatus, PayeeLook, Payment
from payments.transfers import CannotTransfer
from refunds import disbursement, lifecycle, own_account, stages
from refunds.lifecycle import StepRefused
from refunds.models import BalanceCredit, Destination, Queue, RedirectAgreement, Refund, Status
from shops.models import ShopMember
from tests.attacks import refusal
from tests.cases import SITUATIONS, attempt_of, hint, own_card, signed_for_account, transfer_of, transferred

pytestmark = pytest.mark.django_db
S = Status
CARD_NO = "6214830100001234"


def refused_with(code):
    return pytest.raises((StepRefused, CannotTransfer), check=lambda error: error.code == code)


def hears(refund):
    disbursement.hear(at=clock.now())
    refund.refresh_from_db()
    return refund


def later():
    """The machine's next turn at the channel."""
    clock.advance(timedelta(seconds=2))
    refunding.sweep(at=clock.now())


def bank_has():
    """What left the platform's bank."""
    return balances.owed([posting.BANK])[posting.BANK]


def released(refund, by):
    return disbursement.release([refund], by=by, at=clock.now())


def paid(row, house, voucher="V1"):
    transfers.approve(row, by=house.finance, at=clock.now())
    at = clock.now()
    return transfers.mark_paid(row, by=house.cashier, at=at, paid_at=at, voucher=voucher)


def test_a_closed_card_is_paid_by_transfer_through_other_hands_and_a_day(house, simulator):
    """S2-28, S2-29: asked first, signed, cooled, confirmed, released, approved, paid: each by another than before."""
    refund = signed_for_account(house, SITUATIONS["returned, closed"](house), hours_ago=0)
    signed = RedirectAgreement.objects.get()
    assert CARD_NO not in signed.text  # by its last digits alone
    assert (signed.verified_by, signed.real_name.user, "1234" in signed.text) == ("password", house.buyer, True)
    assert refund.promised_by - refund.entered_at > timedelta(hours=24)
    with refused_with("cooling"):
        lifecycle.confirm_redirect(refund, by=house.finance, at=clock.now())
    clock.advance(timedelta(hours=24))
    lifecycle.confirm_redirect(refund, by=house.finance, at=clock.now())
    refund.refresh_from_db()
    assert (refund.status, refund.destination, bank_has()) == (S.APPROVED, Destination.OTHER_ACCOUNT, 0)
    with refused_with("same_person"):
        released(refund, house.finance)
    released(refund, house.cashier)
    refund.refresh_from_db()
    payment = Payment.objects.get(pk=refund.payment_id)
    assert (refund.status, refund.queue, payment.transferred_fen) == (S.PROCESSING, Queue.FINANCE, refund.amount_fen)
    assert payment.refundable_fen == payment.amount_fen - refund.amount_fen  # nothing can be opened beside it
    assert (bank_has(), refund.held_fen) == (0, refund.amount_fen)
    assert invariants.broken() == []
    paid(transfer_of(refund), house)
    assert bank_has() == refund.amount_fen
    assert invariants.broken() == []  # before the case has heard of it, too
    hears(refund)
    assert (refund.status, refund.held_fen, refund.received_account[-4:]) == (S.PAID_OUT, 0, "1234")
    assert refund.arrival_expected_until >= refund.arrival_expected_from
    house.on(refund, "buyer confirm_arrival")
    assert refund.status == S.ARRIVED
    assert not PayeeLook.objects.exists()  # nobody has looked at the card yet
    assert CARD_NO not in repr(list(RedirectAgreement.objects.values_list()))
    assert invariants.broken(simulator.ledger()) == []


@pytest.mark.parametrize("how", ["refused", "given back", "given back before it was heard of"])
def test_a_transfer_that_comes_to_nothing_is_no_money_lost_and_the_buyer_is_asked_again(how, house, simulator):
    refund = SITUATIONS["processing, to an account"](house)
    row = transfer_of(refund)
    if how == "refused":
        transfers.refuse(row, by=house.finance, at=clock.now(), reason="户名不符")
    else:
        paid(row, house)
        if how == "given back":
            house.on(hears(refund), "buyer confirm_arrival")
        transfers.mark_failed(row, by=house.finance, at=clock.now(), reason="账号不存在")
        assert invariants.broken() == []
    hears(refund)
    assert (refund.status, refund.destination, refund.queue) == (S.RETURNED, Destination.ORIGINAL, Queue.FINANCE)
    assert (bank_has(), refund.held_fen, Payment.objects.get(pk=refund.payment_id).transferred_fen) == (
        0, refund.amount_fen, 0,
    )  # fmt: skip
    assert invariants.broken() == []
    house.on(refund, "buyer sign_redirect", "finance confirm_redirect")
    released(refund, house.cashier)
    assert (Refund.objects.get().status, balances.of_buyer(house.buyer.pk)) == (S.ARRIVED, refund.amount_fen)
    assert invariants.broken(simulator.ledger()) == []


def test_what_wechat_still_has_goes_on_to_the_buyers_card_under_the_same_number(house, simulator):
    """G8, S0-26: money that is stuck is set going by hand."""
    refund = SITUATIONS["redirect_signed, for a card that the channel pays"](house)
    number = attempt_of(refund).request_no
    with refused_with("same_person"):  # who released it the first time
        lifecycle.send_to_card(refund, by=house.cashier, at=clock.now())
    lifecycle.send_to_card(refund, by=house.finance, at=clock.now())
    later()
    simulator.settle(number, "SUCCESS")
    hint(attempt_of(refund))
    later()
    hears(refund)
    attempt = attempt_of(refund)
    assert (attempt.request_no, attempt.status, refund.status) == (number, AttemptStatus.SUCCEEDED, S.PAID_OUT)
    assert (refund.received_account, refund.destination) == ("招商银行借记卡1234", Destination.ORIGINAL)
    assert invariants.broken(simulator.ledger()) == []


@pytest.mark.parametrize(
    ("situation", "step"),
    [
        ("redirect_signed", lifecycle.confirm_redirect),
        ("redirect_signed, for a card that the channel pays", lifecycle.send_to_card),
    ],
)
def test_what_was_read_is_confirmed_and_nothing_that_was_signed_since(situation, step, house):
    """I13, PM4: between the dialog and its button the buyer takes his word back, and signs for something else."""
    refund = SITUATIONS[situation](house)
    read = RedirectAgreement.objects.get()
    house.on(refund, "buyer revoke_redirect")
    signed_for_account(house, refund)
    with refused_with("agreement_changed"):
        step(refund, by=house.finance, at=clock.now(), agreement_id=read.pk)
    signed = RedirectAgreement.objects.get(lapsed_at=None)
    assert (refund.status, signed.confirmed_by) == (S.REDIRECT_SIGNED, None)
    step(refund, by=house.finance, at=clock.now(), agreement_id=signed.pk)
    signed.refresh_from_db()
    assert signed.confirmed_by == house.finance


def test_a_bank_that_wechat_does_not_pay_is_paid_by_transfer(house):
    """One signature serves: the money goes back to the merchant first."""
    refund = signed_for_account(house, SITUATIONS["returned"](house), bank="某村镇银行")
    with refused_with("bank_not_listed"):
        lifecycle.send_to_card(refund, by=house.cashier, at=clock.now())
    goes_back_to_the_merchant(house, refund)
    assert (refund.status, RedirectAgreement.objects.get().lapsed_at) == (S.REDIRECT_SIGNED, None)
    house.on(refund, "finance confirm_redirect")
    released(refund, house.cashier)
    paid(transfer_of(refund), house)
    assert hears(refund).status == S.PAID_OUT
    assert invariants.broken() == []


def goes_back_to_the_merchant(house, refund):
    by_hand.send_on(attempt_of(refund), card=None, by=house.finance, at=clock.now())
    later()
    house.simulator.settle(attempt_of(refund).request_no, "SUCCESS")
    hint(attempt_of(refund))
    later()
    hears(refund)
    assert attempt_of(refund).status == AttemptStatus.BACK_WITH_MERCHANT


def test_the_buyer_takes_his_word_back_before_it_is_confirmed(house):
    refund = SITUATIONS["redirect_signed, for an account"](house)
    house.on(refund, "buyer revoke_redirect")
    assert (refund.status, RedirectAgreement.objects.get().lapsed_at is not None) == (S.RETURNED, True)
    house.on(refund, "buyer sign_redirect", "finance confirm_redirect")
    with refused_with("wrong_status"):
        lifecycle.revoke_redirect(refund, by=house.buyer, at=clock.now())


def test_who_has_not_proved_who_he_is_signs_for_no_account(house):
    refund = SITUATIONS["returned, closed"](house)
    proof = own_account.proof_of(own_card(house.buyer))
    with refused_with("not_holder"):
        lifecycle.sign_redirect(refund, by=house.buyer, at=clock.now(), holder_proof="made up", verified_by="password")
    with refused_with("step_up"):
        lifecycle.sign_redirect(refund, by=house.buyer, at=clock.now(), holder_proof=proof)
    type(house.buyer).objects.filter(pk=house.buyer.pk).update(verified_at=None)
    house.buyer.refresh_from_db()
    with refused_with("real_name"):
        lifecycle.sign_redirect(refund, by=house.buyer, at=clock.now(), holder_proof=proof, verified_by="password")


def test_who_has_part_in_the_order_neither_carries_out_its_transfer_nor_sees_the_account(house):
    """I10: the shop's money pays for it, and a redirected refund names no shop."""
    row = transfer_of(SITUATIONS["processing, to an account"](house))
    seat = {"shop": row.payment.order.shop, "role": "clerk"}
    for by in (house.finance, house.cashier):
        ShopMember.objects.create(user=by, **seat)
    with pytest.raises(CannotTransfer, match="您店铺的订单"):
        transfers.approve(row, by=house.finance, at=clock.now())
    ShopMember.objects.filter(user=house.finance).delete()
    with pytest.raises(CannotTransfer, match="您店铺的订单"):
        paid(row, house)
    with pytest.raises(CannotTransfer, match="您店铺的订单"):
        transfers.look_at_payee(row, by=house.cashier, at=clock.now())
    row.refresh_from_db()
    assert (row.status, row.approved_by, bank_has()) == ("approved", house.finance, 0)
    ShopMember.objects.filter(user=house.cashier).delete()
    at = clock.now()
    assert transfers.mark_paid(row, by=house.cashier, at=at, paid_at=at, voucher="V1").status == "paid"


def test_while_outgoing_money_is_stopped_nothing_is_transferred(house):
    refund = SITUATIONS["processing, to an account"](house)
    outgoing.stop(by=house.finance, reason="测试", at=clock.now())
    with refused_with("outgoing_stopped"):
        transfers.approve(transfer_of(refund), by=house.finance, at=clock.now())


def test_what_was_signed_confirmed_and_transferred_is_kept_by_the_database(house):
    """I11, I13: whoever writes past the code."""
    waiting = SITUATIONS["redirect_signed, for an account of today"](house)
    refund = transferred(house)
    row, signed = transfer_of(refund), refund.redirects.get()
    named = {
        "case": refund.pk, "row": row.pk, "signed": signed.pk, "open": waiting.redirects.get().pk,
        "finance": house.finance.pk, "confirmer": house.cashier.pk, "stranger": house.stranger.pk,
        "payment": refund.payment_id, "attempt": attempt_of(refund).pk,
    }  # fmt: skip
    copied = "refund_id, destination, payee_id, verified_by, real_name_id, text, signed_by_id, signed_at"
    attacks = {
        "UPDATE refunds_redirectagreement SET confirmed_at = now(), confirmed_by_id = {finance} WHERE id = {open}":
            "redirect_cools_before_it_is_confirmed",
        f"INSERT INTO refunds_redirectagreement ({copied}) SELECT {copied.replace('signed_by_id', '{stranger}')}"
        " FROM refunds_redirectagreement WHERE id = {signed}": "redirect_goes_to_the_buyers_own_account",
        f"INSERT INTO refunds_redirectagreement ({copied}) SELECT {copied.replace('verified_by', chr(39) * 2)}"
        " FROM refunds_redirectagreement WHERE id = {signed}": "redirect_to_an_account_names_it_and_who_proved_what",
        "INSERT INTO refunds_redirecttransfer (refund_id, agreement_id, transfer_id, released_by_id, created_at)"
        " VALUES ({case}, {signed}, {row}, {confirmer}, now())": "redirect_transfer_is_what_was_signed",
        "INSERT INTO refunds_redirecttransfer (refund_id, agreement_id, transfer_id, released_by_id, created_at)"
        " VALUES ({case}, {signed}, {row}, {finance}, now())": "redirect_transfer_is_what_was_signed",
        "UPDATE refunds_redirecttransfer SET released_by_id = {finance}": "Cannot update",
        "UPDATE refunds_refund SET destination = 'original' WHERE id = {case}": "Cannot update",
        "UPDATE refunds_refund SET destination = 'account' WHERE id <> {case}": "Cannot update",
        "UPDATE payments_transfer SET payment_id = NULL WHERE id = {row}": "Cannot update",
        "UPDATE payments_payment SET reserved_fen = amount_fen WHERE id = {payment}": "refunds_never_exceed_payment",
        "UPDATE payments_payment SET status = 'open', next_due_at = now() WHERE id = {payment}": "what was paid",
    }  # fmt: skip
    for attack, why in attacks.items():
        assert why in refusal(attack.format(**named)), attack
    open_row = transfer_of(SITUATIONS["processing, to an account"](house))
    attempt = open_row.instead_of
    type(attempt).objects.filter(pk=attempt.pk).update(status="held")
    approve = "UPDATE payments_transfer SET status = 'approved', approved_by_id = {finance}, approved_at = now()"
    assert "redirect_waits_for_the_old_refund" in refusal(approve.format(**named) + f" WHERE id = {open_row.pk}")


# --- once, whatever comes first ---------------------------------------------------------------------------------------


SEEDS = [*range(10), *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(10, 200))]


@pytest.mark.parametrize("seed", SEEDS)
def test_success_after_all_and_a_redirect_at_once_pay_the_buyer_once(seed, house, simulator):
    """RETURNED → success after all, RETURNED → redirect, and both at once, in any order of small moves: by the
    channel's books and by ours the buyer has his money exactly once."""
    dice = random.Random(seed)
    refund = SITUATIONS["returned"](house)
    moves = moves_of(house, refund, own_account.proof_of(own_card(house.buyer)))
    for _ in range(40):
        name = dice.choice(list(moves))
        try:
            moves[name]()
        except (StepRefused, CannotTransfer):
            continue
        refund.refresh_from_db()
        assert [line for check in AT_EVERY_MOVE for line in check()] == [], name
        if has_got(refund):
            break
    for _ in range(12):  # everybody does what is left to do
        for name in moves if not has_got(refund) else ["channel is asked", "case hears"]:
            try:
                moves[name]()
            except (StepRefused, CannotTransfer):
                continue
            refund.refresh_from_db()
    assert has_got(refund), (refund.status, attempt_of(refund).status)
    by_channel = sum(row.amount_fen for row in type(attempt_of(refund)).objects.filter(status=AttemptStatus.SUCCEEDED))
    credited = sum(BalanceCredit.objects.values_list("amount_fen", flat=True))
    assert by_channel + credited + bank_has() == refund.amount_fen
    assert invariants.broken(simulator.ledger()) == []


AT_EVERY_MOVE = (
    invariants.refunds_fit_payments, invariants.each_case_is_paid_once, invariants.held_money_belongs_to_cases,
    invariants.transfers_agree_with_the_ledger, invariants.only_a_signature_leads_to_another_account,
)  # fmt: skip


def has_got(refund):
    return refund.status in {S.PAID_OUT, S.ARRIVED}


def moves_of(house, refund, proof):
    """Each a small thing that one person or machine does; what is refused has changed nothing."""

    def settles():
        if attempt_of(refund).status in {"returned", "unknown", "accepted"}:
            house.simulator.settle(attempt_of(refund).request_no, "SUCCESS")

    def is_asked():
        hint(attempt_of(refund))
        later()

    def sends_back():
        by_hand.send_on(attempt_of(refund), card=None, by=house.finance, at=clock.now())

    def step(name, by, **words):
        return lambda: getattr(lifecycle, name)(refund, by=by, at=clock.now(), **words)

    def release():
        refund.refresh_from_db()
        if refund.status == S.APPROVED:
            released(refund, house.cashier)

    def transfer(act, **words):
        def run():
            row = refund.redirect_transfers.order_by("-pk").first()
            if row:
                act(row.transfer, at=clock.now(), **words)

        return run

    def pay():
        at = clock.now()
        for row in refund.redirect_transfers.filter(transfer__status="approved"):
            transfers.mark_paid(row.transfer, by=house.cashier, at=at, paid_at=at, voucher=f"V{row.pk}")

    return {
        "money goes back to the merchant": sends_back,
        "channel is asked": is_asked,
        "case hears": lambda: disbursement.hear(at=clock.now()),
        "buyer signs for an account": step("sign_redirect", house.buyer, holder_proof=proof, verified_by="password"),
        "buyer signs for the balance": step("sign_redirect", house.buyer),
        "finance sends it to the card": step("send_to_card", house.cashier),
        "finance confirms": step("confirm_redirect", house.finance),
        "cashier releases": release,
        "transfer is approved": transfer(transfers.approve, by=house.finance),
        "transfer is paid": pay,
        "transfer is refused": transfer(transfers.refuse, by=house.cashier, reason="核对"),
        "buyer takes it back": step("revoke_redirect", house.buyer),
        "the card takes it after all": settles,
    }


# --- 自带商户号 -------------------------------------------------------------------------------------------------------


@pytest.fixture
def of_the_shop(house, shop, settings):
    """``of_the_shop()``: an order that was paid to its shop's own account."""
    theirs = {name: value for name, value in settings.WECHAT.items() if name not in channels.OURS_TO_SAY}
    own = channels.bring_own(shop, "wechat", theirs)

    def build():
        order = house.buy(price_fen=8800, channel=own.code)
        house.reveal(order)
        return order

    return build


def test_what_the_shops_own_account_took_the_platform_does_not_give(of_the_shop, house):
    """A shop and its buyer would have the platform pay out what it never got."""
    order = of_the_shop()
    with refused_with("paid_to_the_shop"):
        house.ask(order, destination="balance")
    refund = house.on(house.ask(order), "reviewer approve")
    house.ends_as(house.sent(refund), "CLOSED")
    assert "sign_redirect" not in lifecycle.allowed_steps(refund, house.buyer)
    track = stages.track(refund, list(refund.events.all()), at=clock.now())
    assert "店铺商户号" in track.next_step
    assert track.who == "财务"
    with refused_with("paid_to_the_shop"):
        house.on(refund, "buyer sign_redirect")
    with refused_with("paid_to_the_shop"):
        signed_for_account(house, refund)
    payment, payee = Payment.objects.get(pk=refund.payment_id), own_card(house.buyer)
    with pytest.raises(crediting.ExceedsPayment, match="平台不能代付"):
        crediting.credit([crediting.Credit(payment, house.buyer.pk, 1, "R1")], at=clock.now())
    with refused_with("exceeds_payment"):
        transfers.redirect(payment, payee=payee, amount_fen=1, instead_of=None, at=clock.now())
    house.on(refund, "finance reissue")
    assert (refund.status, bank_has(), balances.of_buyer(house.buyer.pk)) == (S.APPROVED, 0, 0)


def test_its_page_promises_nothing_that_the_platform_does_not_have(of_the_shop, house, simulator, client):
    """Where the money is, and what its buyer, or a guest, can choose: nothing, or a bank card alone."""

    def page(user, path=""):
        client.force_login(user, backend=guests.BACKEND if user.is_guest else settings.AUTHENTICATION_BACKENDS[0])
        return client.get(f"/refunds/{refund.refund_no}/{path}").content.decode()

    def money():
        return stages.track(refund, list(refund.events.all()), at=clock.now()).money

    refund = house.ask(of_the_shop())
    assert "在店铺自己的商户号" in money()
    house.on(refund, "reviewer approve")
    assert "在店铺自己的商户号" in money()
    house.ends_as(house.sent(refund), "CLOSED")
    assert "选择退款去向" not in page(house.buyer)
    User.objects.filter(pk=house.buyer.pk).update(is_guest=True)
    house.buyer.refresh_from_db()
    assert "认领" not in page(house.buyer).split('id="case"')[1]
    User.objects.filter(pk=house.buyer.pk).update(is_guest=False)
    house.buyer.refresh_from_db()
    refund = house.on(house.ask(of_the_shop()), "reviewer approve")
    house.ends_as(house.sent(refund), "ABNORMAL")
    assert "可以由渠道退至您本人的银行卡" in page(house.buyer)
    assert "您可以选择退款去向" in page(house.buyer)  # what comes next agrees with that
    assert "退至余额" not in page(house.buyer, "redirect/")
    own_card(house.buyer)
    form = page(house.buyer, "redirect/")
    assert "招商银行" in form
    assert not [other for other in ("支付宝</option>", "其他银行") if other in form]  # signing would refuse them


def test_a_guest_is_told_to_claim_before_choosing(house, client):
    refund = SITUATIONS["returned, closed"](house)
    User.objects.filter(pk=house.buyer.pk).update(is_guest=True)
    refund = Refund.objects.get(pk=refund.pk)
    client.force_login(refund.buyer, backend=guests.BACKEND)
    told = client.get(f"/refunds/{refund.refund_no}/").content.decode()
    assert "认领订单后可以选择退款去向" in told
    assert "您可以选择退款去向" not in told
    assert 'href="/orders/claim/"' in told


def test_what_its_channel_sends_on_to_a_card_is_the_shops_own_money_too(of_the_shop, house, simulator):
    refund = house.on(house.ask(of_the_shop()), "reviewer approve")
    house.ends_as(house.sent(refund), "ABNORMAL")
    assert "sign_redirect" in lifecycle.allowed_steps(refund, house.buyer)
    with refused_with("paid_to_the_shop"):
        signed_for_account(house, refund, bank="某村镇银行")
    signed_for_account(house, refund)
    with refused_with("paid_to_the_shop"):
        lifecycle.confirm_redirect(refund, by=house.cashier, at=clock.now())
    lifecycle.send_to_card(refund, by=house.cashier, at=clock.now())
    later()
    simulator.settle(attempt_of(refund).request_no, "SUCCESS")
    hint(attempt_of(refund))
    later()
    assert hears(refund).status == S.PAID_OUT
    assert invariants.broken(simulator.ledger()) == []
