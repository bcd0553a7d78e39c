"""演示人生: the stories are lived through at times that lie in the past, by the same functions as real ones."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from accounts import guests
from accounts.models import User
from cardshop.seeding import batches, books, endings, turns
from cardshop.seeding.people import QUERY_PASSWORD
from cardshop.seeding.stories import GUEST, Story
from orders import delivery, reviews
from orders.placing import Wish
from orders.recipients import Recipient
from payments import channels, charging, refunding
from payments.models import RefundAttempt
from refunds import disbursement, figures, pace
from shops import stock
from shops.models import Product, RecipientKind, ShopMember, ShopRole

SHORT_FEN = 30_000
PHONE = "Mozilla/5.0 (iPhone) MicroMessenger/8.0"


def live_through(
    stories: Sequence[Story], people: dict[str, User], products: Sequence[Product], control: str, at: datetime
) -> None:
    for story in stories:
        _order(story, people, products, at)
    if not stories:
        return
    for channel in books.CHANNELS:
        paid = [story for story in stories if story.channel == channel]
        books.tell(control, channel, payments=[_past_payment(story) for story in paid])
    for story in stories:
        _live(story, people)
    batches.pay(stories, people, at)
    released = [story for story in stories if story.refund and story.refund.disbursements.exists()]
    sent = [story for story in released if story.path != "short"]
    for channel in books.CHANNELS:
        theirs = [story for story in sent if story.channel == channel]
        books.tell(control, channel, refunds=[_past_refund(story) for story in theirs])
    for story in sorted(sent, key=lambda story: _attempt(story).created_at):
        _hear(story)
        if story.path == "redirect":
            endings.redirect(story, people)
    if len(sent) < len(released):
        _run_short(control, at)
    for story in stories:
        _review(story)
    figures.compute(at=at)  # a shop has its badge by rule, or has it not
    pace.compute(at=at)


def _order(story: Story, people: dict[str, User], products: Sequence[Product], at: datetime) -> None:
    story.at = at - timedelta(days=story.days_ago)
    product, key = products[story.goods], uuid.uuid4()
    wish = Wish(story.quantity, story.coupon, _recipient(product), again=True)
    with transaction.atomic():
        buyer = guests.open_for(key, QUERY_PASSWORD) if story.buyer == GUEST else people[story.buyer]
        story.payment = charging.checkout(
            product, wish, buyer=buyer, checkout_key=key, at=story.at, way=charging.Way(story.channel)
        )
    story.order = story.payment.order


def _recipient(product: Product) -> Recipient | None:
    if product.recipient_kind == RecipientKind.PHONE:
        return Recipient(RecipientKind.PHONE, "13800001234")
    if product.recipient_kind == RecipientKind.GAME:
        return Recipient(RecipientKind.GAME, "starplayer", "星海一区")
    return None


def _live(story: Story, people: dict[str, User]) -> None:
    """Paid two minutes later, looked at after ten, then its turn; asked back after ``hours``, decided by its path."""
    paid_at = story.at + timedelta(minutes=2)
    answer = channels.gateway(story.payment.account).query_payment(story.payment.payment_no)
    charging.record([(story.payment, answer)], at=paid_at)
    story.order.refresh_from_db()
    if story.seen:
        viewer = stock.Viewer(story.order.buyer, "203.0.113.8", PHONE)
        for line in story.order.lines.all():
            delivery.reveal(line, viewer=viewer, at=paid_at + timedelta(minutes=10), verified_by="password")
    turns.take(story, people)
    if story.path:
        endings.ask(story, people, at=paid_at + timedelta(hours=story.hours))


def _hear(story: Story) -> None:
    """Send it, as the worker does: the channel knows the number already, and says how it ended a few minutes later."""
    heard_at = _attempt(story).created_at + timedelta(minutes=6)
    refunding.sweep(at=heard_at)
    disbursement.hear(at=heard_at)


def _run_short(control: str, at: datetime) -> None:
    """Alipay has less of our money than the last refund asks for: it waits, until somebody tops the account up."""
    books.act(control, "funds", channel="alipay", amount_fen=SHORT_FEN)
    refunding.sweep(at=at)
    disbursement.hear(at=at)


def _review(story: Story) -> None:
    """Two days later the buyer says what it was like, and the shop's owner may answer."""
    if not story.stars:
        return
    at = story.at + timedelta(days=2)
    story.order.refresh_from_db()
    review = reviews.write(
        story.order, stars=story.stars, text=story.review, by=story.order.buyer, at=at,
        about_refund=story.refund is not None,
    )  # fmt: skip
    if story.reply:
        owner = ShopMember.objects.select_related("user").get(shop=story.order.shop_id, role=ShopRole.OWNER)
        reviews.reply(review, story.reply, by=owner.user, at=at + timedelta(hours=5))


# --- what the simulator is told ---------------------------------------------------------------------------------------

ENDS = {
    "returned": "ABNORMAL",
    "redirect": "CLOSED",
    "closed_card": "CLOSED",
    "processing": "PROCESSING",
}  # at the channel; the latter until it is settled by hand


def _past_payment(story: Story) -> dict[str, object]:
    return books.past_payment(story.payment, paid_at=story.at + timedelta(minutes=2), funding=story.funding)


def _past_refund(story: Story) -> dict[str, object]:
    return books.past_refund(_attempt(story), status=ENDS.get(story.path, "SUCCESS"))


def _attempt(story: Story) -> RefundAttempt:
    assert story.refund  # noqa: S101 - for the type checker: only stories whose refund was sent get here
    return story.refund.disbursements.select_related("attempt__payment").get().attempt
