"""Reviews: by the buyer, of a completed order, once; answered once; hidden and shown with a reason (S1-21)."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

import clock
from orders import delivery, reviews
from orders.models import OrderStatus, Review
from orders.reviews import CannotReview
from shops.models import ShopMember
from shops.rights import NotAllowed

pytestmark = pytest.mark.django_db


@pytest.fixture
def completed(buy, reveal):
    """An order of which everything was seen."""

    def live(**words):
        order = buy(**words)
        reveal(order)
        order.refresh_from_db()
        if order.status != OrderStatus.COMPLETED:
            delivery.confirm(order, by=order.buyer, at=clock.now())
            order.refresh_from_db()
        return order

    return live


@pytest.fixture
def write(completed):
    def say(order=None, stars=5, text="交付很快", about_refund=False):
        order = order or completed()
        return reviews.write(
            order, stars=stars, text=text, by=order.buyer, at=clock.now(), about_refund=about_refund
        )  # fmt: skip

    return say


def test_only_the_buyer_of_a_completed_order_writes_once(buy, completed, write, stranger):
    open_order = buy()
    with pytest.raises(CannotReview, match="完成后"):
        write(open_order)
    order = completed()
    with pytest.raises(CannotReview, match="自己的订单"):
        reviews.write(order, stars=5, text="", by=stranger, at=clock.now(), about_refund=False)
    for stars in (0, 6):
        with pytest.raises(CannotReview, match="1 到 5"):
            write(order, stars=stars)
    written = write(order)
    assert (written.product, written.shop) == (order.lines.first().product, order.shop)
    with pytest.raises(CannotReview, match="评价过"):
        write(order, stars=1)
    assert Review.objects.get().stars == 5
    with pytest.raises(IntegrityError), transaction.atomic():
        Review.objects.update(stars=9)


@pytest.mark.parametrize(
    ("text", "had_refund", "is_about"),
    [("退款很快", False, True), ("fast REFUND", False, True), ("好用", True, True), ("好用", False, False)],
)
def test_what_is_about_refunds(write, text, had_refund, is_about):
    """S1-21."""
    assert write(text=text, about_refund=had_refund).about_refund is is_about


def test_codes_are_masked_in_review_and_reply(completed, write, reveal, merchant):
    """PM16."""
    order = completed()
    (code,) = reveal(order)
    review = write(order, text=f"卡密 {code} 用不了")
    assert code not in review.text
    reviews.reply(review, f"{code} 已核对", by=merchant, at=clock.now())
    review.refresh_from_db()
    assert code not in review.reply


def test_the_shop_answers_once(write, merchant, stranger, reviewer):
    review = write()
    for outsider in (stranger, reviewer):
        with pytest.raises(NotAllowed):
            reviews.reply(review, "谢谢", by=outsider, at=clock.now())
    with pytest.raises(CannotReview, match="写下"):
        reviews.reply(review, "   ", by=merchant, at=clock.now())
    reviews.reply(review, "谢谢", by=merchant, at=clock.now())
    with pytest.raises(CannotReview, match="回复过"):
        reviews.reply(review, "再说一句", by=merchant, at=clock.now())
    review.refresh_from_db()
    assert review.reply == "谢谢"


def test_moderation_hides_with_a_reason_and_shows_again(write, reviewer, finance, merchant, buyer):
    review = write(text="差评")
    for outsider in (finance, merchant, buyer):
        with pytest.raises(CannotReview, match="不能管理"):
            reviews.hide(review, by=outsider, at=clock.now(), reason="不喜欢")
    with pytest.raises(CannotReview, match="原因"):
        reviews.hide(review, by=reviewer, at=clock.now(), reason=" ")
    with pytest.raises(CannotReview, match="最多 200 个字"):
        reviews.hide(review, by=reviewer, at=clock.now(), reason="啊" * 201)
    at = clock.now()
    reviews.hide(review, by=reviewer, at=at, reason="含他人隐私")
    assert not reviews.of_product(review.product).exists()
    assert not reviews.of_shop(review.shop).exists()
    review.refresh_from_db()
    assert (review.hidden_reason, review.hidden_by, review.text) == ("含他人隐私", reviewer, "差评")
    assert review.hidden_at == at
    with pytest.raises(CannotReview, match="已是"):
        reviews.hide(review, by=reviewer, at=clock.now(), reason="再来")
    reviews.show(review, by=reviewer)
    assert reviews.of_product(review.product).get() == review
    with pytest.raises(CannotReview, match="已是"):
        reviews.show(review, by=reviewer)


def test_nobody_moderates_reviews_of_an_own_shop_or_their_own(write, operator, reviewer, shop):
    """I10: neither away nor back."""
    review = write(text="骗子", stars=1)
    reviews.hide(review, by=reviewer, at=clock.now(), reason="含他人隐私")
    ShopMember.objects.create(shop=shop, user=operator, role="clerk")
    review.author.role, review.author.is_staff = "operator", True
    review.author.save()
    for colleague in (operator, review.author):
        with pytest.raises(CannotReview, match="自己"):
            reviews.show(review, by=colleague)
    reviews.show(review, by=reviewer)
    for colleague in (operator, review.author):
        with pytest.raises(CannotReview, match="自己"):
            reviews.hide(review, by=colleague, at=clock.now(), reason="不实")
    review.refresh_from_db()
    assert not review.is_hidden


def test_what_is_too_long_is_refused_and_not_cut(completed, write, merchant):
    """The words never change, so nobody may lose the end of theirs."""
    order = completed()
    with pytest.raises(CannotReview, match="最多 500 个字"):
        write(order, text="好" * 501)
    review = write(order, text="  " + "好" * 500 + "\r\n")
    assert review.text == "好" * 500
    with pytest.raises(CannotReview, match="最多 500 个字"):
        reviews.reply(review, "谢" * 501, by=merchant, at=clock.now())


def test_the_page_of_a_review(client, completed, buyer, stranger, write):
    order = completed()
    place = f"/orders/{order.order_no}/review/"
    client.force_login(stranger)
    assert client.get(place).status_code == 404
    client.force_login(buyer)
    assert 'name="stars"' in client.get(place).content.decode()
    missing = client.post(place, {"text": "好"})
    assert "请选择 1 到 5 星。" in missing.content.decode()
    answer = client.post(place, {"stars": "4", "text": "退款很顺利"})
    assert answer.headers["Location"] == place
    page = client.get(place).content.decode()
    assert "★★★★☆" in page
    assert 'name="stars"' not in page
    client.post(place, {"stars": "1"})
    assert Review.objects.get().stars == 4

    product = order.lines.first().product
    for path in [f"/p/{product.pk}/", f"/p/{product.pk}/reviews/?about=refund", f"/s/{order.shop_id}/reviews/"]:
        page = client.get(path).content.decode()
        assert "退款很顺利" in page, path
        assert "buyer" not in page.split("<main")[1], path  # strangers read a first letter
    write(completed(), text="能用")
    assert "能用" not in client.get(f"/s/{order.shop_id}/reviews/?about=refund").content.decode()
    assert "能用" in client.get(f"/s/{order.shop_id}/reviews/").content.decode()


def test_the_desk_hides_and_shows_behind_dialogs(client, write, reviewer, finance):
    review = write(text="含广告")
    hide, show = (reverse(f"admin:orders_review_{act}", args=[review.pk]) for act in ("hide", "show"))
    client.force_login(finance)
    assert client.get(reverse("admin:orders_review_changelist")).status_code == 403
    client.force_login(reviewer)
    assert "含广告" in client.get(reverse("admin:orders_review_changelist")).content.decode()
    page = client.get(reverse("admin:orders_review_change", args=[review.pk])).content.decode()
    assert hide in page
    assert show not in page
    client.get(hide)
    client.post(hide, {"_form_submitted": "True", "reason": " "})
    review.refresh_from_db()
    assert not review.is_hidden
    client.post(hide, {"_form_submitted": "True", "reason": "广告"})
    review.refresh_from_db()
    assert (review.is_hidden, review.hidden_reason, review.hidden_by) == (True, "广告", reviewer)
    client.post(show, {"_form_submitted": "True"})
    review.refresh_from_db()
    assert not review.is_hidden


def test_why_a_review_is_hidden_names_no_code(buy, reveal, write, reviewer):
    """PM16."""
    order = buy()
    (text,) = reveal(order)
    review = write(type(order).objects.get(pk=order.pk))
    reviews.hide(review, by=reviewer, at=clock.now(), reason=f"写出了卡密 {text}")
    review.refresh_from_db()
    assert "••••" in review.hidden_reason
    assert text not in review.hidden_reason
