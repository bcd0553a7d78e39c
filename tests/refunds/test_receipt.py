"""退款回执: it says what the books know and whose word that is; its code is genuine or nothing (S0-16, P17, X8)."""

from __future__ import annotations

import pytest
from django.urls import reverse

import clock
from refunds import lifecycle, receipt
from refunds.receipt import Says

pytestmark = pytest.mark.django_db

WECHAT = "Mozilla/5.0 (iPhone) AppleWebKit MicroMessenger/8.0"


@pytest.fixture
def words_of(client, buyer):
    """The receipt's page as its buyer sees it."""

    def read(refund, **headers):
        client.force_login(buyer)
        answer = client.get(f"/refunds/{refund.refund_no}/receipt/", **headers)
        assert "no-store" in answer.headers["Cache-Control"]
        return answer.content.decode()

    return read


def test_before_any_money_left_it_proves_nothing(words_of, approved):
    refund = approved()
    text = words_of(refund)
    assert "款项尚未退出" in text
    assert "这一页不是退款证明" in text
    assert "校验码" not in text
    assert receipt.check(refund.refund_no, receipt.code_of(refund, "", Says.NOTHING)) is None


def test_a_channels_success_is_not_an_arrival(words_of, released, ends_as, buy_by_card):
    """P17: golden words. What it holds is what a bank asks for (S0-16, S3-16)."""
    refund = ends_as(released(buy_by_card()), "SUCCESS")
    attempt = refund.disbursements.get().attempt
    text = words_of(refund)
    assert "微信支付已告知退款成功。是否入账由收款账户的银行决定：我们没有入账证明，不声称已到账。" in text
    assert "退款已到账" not in text
    assert "到账时间" not in text
    wanted = [
        refund.refund_no, refund.order.order_no, refund.payment.payment_no, refund.payment.channel_transaction_id,
        attempt.request_no, attempt.channel_refund_id, "招商银行借记卡0403", "预计到账",
        refund.order.lines.get().product_name, receipt.of(refund).code, '<svg',
    ]  # fmt: skip
    assert [words for words in wanted if words not in text] == []
    assert "微信里不能打印" not in text
    assert "微信里不能打印" in words_of(refund, headers={"User-Agent": WECHAT})


def test_who_says_that_it_arrived_is_part_of_it(words_of, buy, buy_by_card, released, ends_as, buyer):
    in_wallet = ends_as(released(buy()), "SUCCESS")
    assert "微信支付告知已退入买家在该渠道的账户" in words_of(in_wallet)
    on_card = ends_as(released(buy_by_card()), "SUCCESS")
    lifecycle.confirm_arrival([on_card], by=buyer, at=clock.now())
    assert "到账由买家本人确认，我们没有银行的入账证明。" in words_of(on_card)


def test_money_that_came_back_is_no_refund(words_of, released, ends_as):
    refund = ends_as(released(), "ABNORMAL")
    text = words_of(refund)
    assert "渠道退款未能入账" in text
    assert "退款目标账户（未入账）" in text


def test_the_balance_has_no_channel(words_of, approved, finance):
    refund = approved(destination="balance")
    assert "校验码" not in words_of(refund)
    lifecycle.credit_balance([refund], by=finance, at=clock.now())
    refund.refresh_from_db()
    text = words_of(refund)
    assert "没有经过支付渠道" in text
    assert "渠道退款单号" not in text
    assert receipt.check(refund.refund_no, receipt.of(refund).code).said is Says.CREDITED


def test_no_longer_number_than_four_digits_is_shown():
    assert receipt.masked_account("招商银行信用卡0403") == "招商银行信用卡0403"
    assert receipt.masked_account("6225880112340403") == "************0403"


# --- the code --------------------------------------------------------------------------------------------------------


def test_a_receipt_stays_genuine_while_the_case_goes_on(client, released, ends_as, buy_by_card, buyer):
    """Printed before the buyer confirmed: the page says what it said, and what is so now."""
    refund = ends_as(released(buy_by_card()), "SUCCESS")
    printed = receipt.of(refund).code
    lifecycle.confirm_arrival([refund], by=buyer, at=clock.now())
    text = client.get(reverse("storefront:receipt_checked", args=[refund.refund_no, printed])).content.decode()
    text = text.partition("<main")[2].partition("</main>")[0]
    assert "渠道已退款成功" in text
    assert "退款已到账" in text
    assert "出具之后情况有变" in text
    attempt = refund.disbursements.get().attempt
    personal = [refund.refund_no, attempt.channel_refund_id, refund.order.order_no, "招商银行", "buyer", "点卡"]
    assert [words for words in personal if words in text] == []
    assert "88.00" in text


def test_typed_by_hand_and_without_javascript(client, released, ends_as):
    refund = ends_as(released(), "SUCCESS")
    code = receipt.of(refund).code
    typed = {"refund_no": f" {refund.refund_no.lower()} ", "code": code.replace("-", " ").replace("0", "o").lower()}
    answer = client.post("/receipts/", typed)
    assert answer.headers["Location"] == reverse("storefront:receipt_checked", args=[refund.refund_no, code])
    assert client.get(answer.headers["Location"]).status_code == 200


def test_wrong_code_and_unknown_number_get_one_answer(client, released, ends_as):
    """X8."""
    refund, other = ends_as(released(), "SUCCESS"), ends_as(released(), "SUCCESS")
    code = receipt.of(refund).code
    wrong = [
        (refund.refund_no, receipt.of(other).code),
        ("R00000000000000", code),
        (refund.refund_no, "0000-" * 3 + "0000"),
    ]
    answers = [client.get(reverse("storefront:receipt_checked", args=[no, said])) for no, said in wrong]
    assert {answer.status_code for answer in answers} == {404}
    bodies = {answer.content.split(b"<main")[1].split(b"<form")[0] for answer in answers}
    assert len(bodies) == 1
    for nonsense in ({}, {"refund_no": "R1", "code": "x"}, {"refund_no": refund.refund_no, "code": "'; --"}):
        assert client.post("/receipts/", nonsense).status_code in {200, 404}


def test_codes_are_not_guessed(client, released):
    """So many tries of one address, then silence; nobody else is shut out."""
    refund = released()
    tries = [client.get(f"/receipts/{refund.refund_no}/0000-0000-0000-{n:04d}/").status_code for n in range(61)]
    assert tries == [404] * 60 + [429]
    assert (
        client.get(f"/receipts/{refund.refund_no}/0000-0000-0000-0000/", REMOTE_ADDR="198.51.100.9").status_code == 404
    )


def test_a_code_is_of_one_amount_payment_and_word(released, ends_as):
    refund = ends_as(released(), "SUCCESS")
    codes = {receipt.code_of(refund, number, says) for number in ("", "other") for says in Says}
    refund.amount_fen += 1
    codes |= {receipt.code_of(refund, "", says) for says in Says}
    assert len(codes) == 3 * len(Says)
