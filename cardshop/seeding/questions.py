"""演示客服: what buyers ask of support, and what they complain of, at times that lie in the past."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from accounts.models import User
from cardshop.seeding import pictures
from cardshop.seeding.stories import Story
from support import complaints, tickets
from support.models import ShopCause, Topic

People = dict[str, User]


def ask(stories: Sequence[Story], people: People, at: datetime) -> None:
    """Two tickets and three complaints, on orders whose stories are over; nothing where there are none."""
    if not stories:
        return
    _answered(_of(stories, "processing"), people, at)
    _waiting(_of(stories, "review_late"), people, at)
    _upheld(next(story for story in stories if story.turn == "quarrel"), people)
    _investigated(_of(stories, "objected"), people, at)
    _opened(_of(stories, "closed"), at)


def _answered(story: Story, people: People, at: datetime) -> None:
    ticket = tickets.open_ticket(
        topic=Topic.REFUND, text="显示退款处理中，我的借记卡什么时候能收到？", by=story.order.buyer,
        at=at - timedelta(hours=20), refund=story.refund,
    )  # fmt: skip
    words = "您好，款项已交给微信支付，借记卡一般 1–3 个工作日到账；退款页会写明预计日期，到账后会通知您。"
    tickets.answer(ticket, words, by=people["support"], at=at - timedelta(hours=19, minutes=57))


def _waiting(story: Story, people: People, at: datetime) -> None:
    """Answered once, and asked again just now: on the desk with its clock running."""
    ticket = tickets.open_ticket(
        topic=Topic.EVIDENCE, text="报错页面每次都不一样，我应该传哪一张？", by=story.order.buyer,
        at=at - timedelta(hours=22), refund=story.refund, images=[pictures.error_page(story.order.order_no)],
    )  # fmt: skip
    tickets.claim(ticket, by=people["support2"], at=at - timedelta(hours=21, minutes=59))
    words = "带错误代码、看得清时间的那一张最有用；几张都有的话可以一起传。"
    tickets.answer(ticket, words, by=people["support2"], at=at - timedelta(hours=21, minutes=56))
    tickets.ask(ticket, "已经传了三张，麻烦看一下够不够，谢谢。", by=story.order.buyer, at=at)


def _upheld(story: Story, people: People) -> None:
    """The shop wanted to leave the platform: its own words in the order's talk prove it."""
    complaint = complaints.complain(
        story.order, causes=[ShopCause.OUTSIDE, ShopCause.BROKEN_PROMISE], by=story.order.buyer, at=_later(story, 3),
        text="卡密用不了，店家发站外网址让我登记，还让我加微信私下补发，订单留言里都有。",
    )  # fmt: skip
    complaints.investigate(complaint, by=people["senior"], at=_later(story, 5))
    words = "新来的客服不懂规定，已经批评并删掉了那个网址，以后只在订单里处理。"
    complaints.answer(complaint, words, by=people["merchant"], at=_later(story, 8))
    reason = "留言里的站外网址和微信号属实，违反站内交易规则。已记入店铺数据，并提醒商家。"
    complaints.uphold(complaint, reason=reason, by=people["senior"], at=_later(story, 12))


def _investigated(story: Story, people: People, at: datetime) -> None:
    """The shop has heard of it, and may answer once."""
    complaint = complaints.complain(
        story.order, causes=[ShopCause.FALSE_GOODS], by=story.order.buyer, at=at - timedelta(hours=9),
        text="同一家店一周里买到两张坏码，怀疑卡密来路不正。",
    )  # fmt: skip
    complaints.investigate(complaint, by=people["senior2"], at=at - timedelta(hours=6))


def _opened(story: Story, at: datetime) -> None:
    complaints.complain(
        story.order, causes=[ShopCause.BROKEN_PROMISE], by=story.order.buyer, at=at - timedelta(hours=2),
        text="约定换一个号，到现在没有换，留言也不回。",
    )  # fmt: skip


def _of(stories: Sequence[Story], path: str) -> Story:
    return next(story for story in stories if story.path == path)


def _later(story: Story, hours: float) -> datetime:
    """So long after the order was placed."""
    return story.at + timedelta(hours=hours)
