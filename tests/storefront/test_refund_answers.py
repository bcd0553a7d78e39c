"""买家的答复 over HTTP: an offer, an appeal, an urge, money that did not come; and what the case says meanwhile."""

from __future__ import annotations

import pytest

import clock
from accounts import realname
from refunds.models import Appeal, Offer, RedirectAgreement, RefundEvent
from storefront.templatetags.words import deadline
from tests.accounts.id_numbers import id_number
from tests.cases import SITUATIONS, late, passes
from tests.cast import PASSWORD
from tests.storefront.conftest import words

pytestmark = pytest.mark.django_db


def page_of(refund, kind=""):
    return f"/refunds/{refund.refund_no}/" + (f"answer/{kind}/" if kind else "")


def says(browser, refund, kind, **form):
    """What the page's own form holds, and what is typed into it."""
    offer = Offer.objects.filter(refund=refund, answer="").first()
    answer = browser.post(page_of(refund, kind), {"offer_id": offer.pk if offer else ""} | form)
    refund.refresh_from_db()
    return answer


def is_sent_back(answer, refund):
    """To the case, where a message says why."""
    return answer.status_code == 302 and answer.headers["Location"] == page_of(refund)


def told(browser, refund):
    return words(browser.get(page_of(refund)))


def steps(refund, name):
    return RefundEvent.objects.filter(refund=refund, step=name).count()


def test_an_offer_is_accepted_once_by_its_buyer_alone(house, shopper, other):
    refund = SITUATIONS["offered"](house)
    assert other.get(page_of(refund, "accept")).status_code == 404
    assert says(other, refund, "accept").status_code == 404
    page = told(shopper, refund)
    assert "商家提出的方案" in page
    assert "退 ¥44.00" in page
    assert "协商中" in page
    assert "审核计时已暂停" in page
    asked = words(shopper.get(page_of(refund, "accept")))
    assert "您申请的金额：¥88.00" in asked
    assert "也不能就此再申请" in asked
    assert says(shopper, refund, "accept").status_code == 302
    assert (refund.status, refund.amount_fen) == ("approved", 4400)
    again = says(shopper, refund, "accept")
    assert is_sent_back(again, refund)
    assert "现在不能这样做" in told(shopper, refund)
    assert steps(refund, "accept_offer") == 1


def test_an_old_page_does_not_accept_a_later_offer(house, shopper):
    refund = SITUATIONS["offered"](house)
    answer = says(shopper, refund, "accept", offer_id=Offer.objects.get(refund=refund).pk + 1)
    assert answer.headers["Location"] == page_of(refund, "accept")
    assert "方案已经变了" in words(shopper.get(page_of(refund, "accept")))
    assert refund.status == "offered"


def test_after_its_time_an_offer_can_only_be_declined(house, shopper):
    refund = late(SITUATIONS["offered, a replacement"](house))
    assert says(shopper, refund, "accept").status_code == 302
    assert refund.status == "offered"
    assert says(shopper, refund, "decline").status_code == 302
    assert refund.status == "first_review"


def test_an_appeal_keeps_what_was_typed_and_takes_pictures(house, shopper, other, picture):
    refund = SITUATIONS["rejected"](house)
    assert "不同意这个结论" in told(shopper, refund)
    page = words(shopper.get(page_of(refund, "appeal")))
    assert refund.decision_note in page  # what it is against, and until when
    assert f"{deadline(refund.appeal_until)} 前可以申诉一次" in page
    assert says(other, refund, "appeal", ground="overlooked", note="看看").status_code == 404
    typed = {"ground": "new_evidence", "note": "发卡方答复未兑换"}
    wrong = words(says(shopper, refund, "appeal", **typed))
    assert "请附上新的凭证" in wrong
    assert typed["note"] in wrong
    assert refund.status == "rejected"
    assert "请写明申诉的理由" in words(says(shopper, refund, "appeal", ground="overlooked"))
    assert says(shopper, refund, "appeal", **typed, images=picture()).status_code == 302
    assert refund.status == "appeal_review"
    assert Appeal.objects.get(refund=refund).text == typed["note"]
    page = told(shopper, refund)
    assert "申诉中" in page
    assert "您的申诉" in page
    assert "买家提供" in page
    assert is_sent_back(says(shopper, refund, "appeal", **typed), refund)
    assert steps(refund, "appeal") == 1


def test_urging_is_possible_after_48_hours_and_not_again_at_once(house, shopper):
    refund = SITUATIONS["first_review"](house)
    assert "起可以催办" in told(shopper, refund)
    says(shopper, refund, "urge")
    assert refund.urged_at is None
    passes(refund, hours=48)
    assert "至少间隔 12 小时" in words(shopper.get(page_of(refund, "urge")))
    says(shopper, refund, "urge")
    says(shopper, refund, "urge")
    assert steps(refund, "urge") == 1
    assert "催办，已提前" in told(shopper, refund)


def test_money_that_did_not_come_is_reported_after_the_last_day_and_once(house, shopper):
    refund = SITUATIONS["paid_out"](house)
    says(shopper, refund, "missing")
    assert steps(refund, "report_missing") == 0
    assert "没有收到" not in told(shopper, refund)
    passes(refund, days=30)
    assert "没有收到" in told(shopper, refund)
    says(shopper, refund, "missing")
    page = told(shopper, refund)
    assert "客服正在向渠道核实这笔退款" in page
    assert "最迟答复您" in page
    assert "渠道与银行" in page
    says(shopper, refund, "missing")
    assert steps(refund, "report_missing") == 1


def test_another_destination_is_signed_in_the_words_that_are_kept(house, shopper, other):
    """S2-28, S2-29: asked first; who he is is proved anew; of an account nothing but its last digits is shown again."""
    refund = SITUATIONS["returned, closed"](house)
    whole = shopper.get(f"/refunds/{refund.refund_no}/").content.decode()
    assert whole.index('id="waiting"') < whole.index("退款进度</h2>")  # what is next stands on a phone's first screen
    page = f"/refunds/{refund.refund_no}/redirect/"
    assert "选择退款去向" in told(shopper, refund)
    assert (other.get(page).status_code, other.post(page).status_code) == (404, 404)
    asked = words(shopper.get(page))
    assert "须先完成实名认证" in asked
    assert "/accounts/reauthenticate/" in shopper.post(page).headers["Location"]
    assert not RedirectAgreement.objects.exists()
    shopper.post("/accounts/reauthenticate/", {"password": PASSWORD})
    shopper.post(page)
    signed = RedirectAgreement.objects.get(refund=refund)
    refund.refresh_from_db()
    assert (refund.status, signed.verified_by, signed.payee) == ("redirect_signed", "password", None)
    assert signed.text in asked
    assert signed.text in told(shopper, refund)
    says(shopper, refund, "revoke")
    assert refund.status == "returned"


def test_the_page_of_what_came_back_says_whose_choice_it_is_where_to_press_and_who_is_late(house, shopper):
    """S2-28: in the buyer's own voice; the one thing to press is the choice, not a reminder to us."""
    refund = SITUATIONS["returned, closed"](house)
    assert "您可选去向；财务核对" in told(shopper, refund)
    page = f"/refunds/{refund.refund_no}/redirect/"
    assert f"/me/real-name/?next={page}" in shopper.get(page).content.decode()
    assert "选不选由您，没有截止时间" in told(shopper, refund)
    passes(refund, days=30)
    assert "仍由财务处理，已标为超时" in told(shopper, refund)
    bar = shopper.get(f"/refunds/{refund.refund_no}/").content.decode().split('class="bar"')[1].split("</div>")[0]
    assert bar.index("催办") < bar.index(f"/refunds/{refund.refund_no}/redirect/")
    assert "您可选退款去向，不选由财务核对后再退" in shopper.get("/refunds/").content.decode()


def test_an_account_is_signed_for_once_its_holder_is_who_signs(house, shopper):
    """I13, I15."""
    refund, number = SITUATIONS["returned, closed"](house), id_number()
    realname.verify(house.buyer, "李雷", number, at=clock.now())
    page = f"/refunds/{refund.refund_no}/redirect/"
    shopper.post("/accounts/reauthenticate/", {"password": PASSWORD})
    details = {"way": "details", "kind": "bank", "bank": "招商银行", "number": "6214830100001234", "name": "李雷"}
    refused = shopper.post(page, details | {"id_number": id_number("19900101")})
    assert "须与您的实名认证一致" in words(refused)
    shown = shopper.post(page, details | {"id_number": number})
    assert "6214830100001234" not in shown.content.decode()
    proof = shown.context["holder_proof"]
    assert "尾号 1234" in words(shown)
    shopper.post(page, {"holder_proof": "made up"})
    assert not RedirectAgreement.objects.exists()
    shopper.post(page, {"holder_proof": proof})
    signed = RedirectAgreement.objects.get(refund=refund)
    assert (signed.payee.last_four, signed.text in words(shown)) == ("1234", True)
    assert "6214830100001234" not in told(shopper, refund)


def test_the_page_tells_how_many_are_ahead_and_that_a_clock_stands(house, shopper):
    """S0-28, S2-21, S2-22, S3-9, S4-21: who acts, by when, what comes next, what is ours and what the bank's."""
    first, second = house.case(), house.case()
    assert "下一个就看您的申请" in told(shopper, first)
    page = told(shopper, second)
    for said in ("前面约 1 件", "最迟给出结果", "本步骤已用", "到时没有结论", "渠道与银行的时间", "every 15s"):
        assert said in page, said
    house.on(first, "reviewer claim")
    assert "已有客服在看" in told(shopper, first)
    house.on(first, "reviewer request_evidence", of="merchant")
    page = told(shopper, first)
    assert "等商家补充" in page
    assert "待补充材料" in page
    assert "已暂停" in page
    assert page.index("人工审核") < page.index("待补充材料") < page.index("审核通过")


def test_a_shop_that_agreed_leaves_no_review_on_the_track(house, shopper):
    page = told(shopper, SITUATIONS["approved, by the shop"](house))
    track = page.split('class="track"')[1].split("</ol>")[0]
    assert "商家处理" in track
    assert "人工审核" not in track


def test_the_lists_say_whose_turn_it_is(house, shopper):
    refund = SITUATIONS["offered"](house)
    for path in ("/refunds/", "/orders/", f"/orders/{refund.order.order_no}/"):
        assert "待您答复" in words(shopper.get(path)), path
