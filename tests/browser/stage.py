"""What the walk looks at beside the refunds of ``conftest.world``: goods, orders of each kind, guests, a shop."""

from __future__ import annotations

import io
import uuid
from datetime import timedelta
from typing import Any

LIST = "卡密,有效期至\n" + "".join(f"CARD-{number:04d},2999-12-31\n" for number in range(40)) + "=1+1,\nCARD-0001,\n"
QUERY_PASSWORD = "read it from a slip"  # noqa: S105
PHONE_CREDIT = {"kind": "top_up", "fulfilment": "top_up", "recipient_kind": "phone", "supplier_sku": "phone-50"}


def pages_of_goods(goods: Any, operator: Any) -> dict[str, str]:
    """Search, category and shop, with a banner above them; the shop has its badge."""
    from clock import now
    from orders.models import Announcement
    from shops.models import Category, Coupon

    at = now()
    games = Category.objects.create(slug="games", name="游戏点卡", name_en="Game cards", position=1)
    Category.objects.create(slug="phone", name="话费充值", name_en="Phone credit", position=2)
    type(goods).objects.filter(pk=goods.pk).update(category=games)
    Coupon.objects.create(
        shop=goods.shop, code="TEN", kind="percent", off_percent=10, starts_at=at, ends_at=at + timedelta(days=1),
        most_uses=9,
    )  # fmt: skip
    Announcement.objects.create(
        text="银行系统维护，退款会晚一些到账。", text_en="Banks are under maintenance.", path="/help/", starts_at=at,
        ends_at=at + timedelta(days=1), created_by=operator,
    )  # fmt: skip
    return {
        "search": "/?q=Steam", "search_nothing": "/?q=Nothing", "category": "/?category=games",
        "category_nothing": "/?category=phone&q=Steam", "store": f"/s/{goods.shop_id}/",
        "store_reviews": f"/s/{goods.shop_id}/reviews/", "product_reviews": f"/p/{goods.pk}/reviews/?about=refund",
    }  # fmt: skip


def pages_of_answers(make_case: Any, merchant: Any, reviewer: Any) -> dict[str, str]:
    """A case at each point at which its buyer or its shop says something, and the page on which they say it.

    ``make_case(name)``: a claim that people of the platform look at; its ``terms`` may ask the shop first.
    """
    from clock import now
    from refunds import lifecycle

    asks_the_shop = {"merchant_hours": 24}
    claimed, offered = make_case("claimed", terms=asks_the_shop), make_case("offered", terms=asks_the_shop)
    lifecycle.offer(
        offered, by=merchant, at=now(), note="只有一张不能用，退一半可以吗？", amount_fen=offered.amount_fen // 2
    )
    refused, asked = make_case("refused"), make_case("asked")
    lifecycle.reject([refused], by=reviewer, at=now(), note="兑换记录与您的说明不符，该卡密仍可正常兑换。")
    lifecycle.request_evidence([asked], by=reviewer, at=now(), note="请提供供货记录。", of="merchant")
    appealed = make_case("appealed")
    lifecycle.reject([appealed], by=reviewer, at=now(), note="兑换记录与您的说明不符，该卡密仍可正常兑换。")
    lifecycle.appeal(appealed, by=appealed.buyer, at=now(), note="发卡方答复未兑换。")
    pages = {f"answer_{kind}": f"/refunds/{offered.refund_no}/answer/{kind}/" for kind in ("accept", "decline")}
    place = f"/shop/refunds/{claimed.refund_no}/"
    shops = {f"shop_answer_{kind}": f"{place}{kind}/" for kind in ("agree", "contest", "offer")}
    return (
        pages
        | shops
        | {
            "answer_appeal": f"/refunds/{refused.refund_no}/answer/appeal/",
            "shop_refund_claimed": place,
            "shop_refund_offered": f"/shop/refunds/{offered.refund_no}/",
            "shop_refund_asked": f"/shop/refunds/{asked.refund_no}/",
            "shop_answer_evidence": f"/shop/refunds/{asked.refund_no}/evidence/",
        }
    )


def pages_of_an_application(dear: Any, small: Any, late: Any, refused: Any) -> dict[str, str]:
    """Each step of one that is being written, one tap, what the rules refuse, and asking again after a refusal."""
    from clock import now
    from refunds import drafts

    drafts.keep(dear, {"reason": "invalid_code", "description": "兑换不了", "contact": "138 0000 0000"}, at=now())
    drafts.add_image(dear, slot="redeem_error", image=_picture(), at=now())
    drafts.keep(late, {"reason": "invalid_code"}, at=now())
    drafts.keep(refused, {"reason": "late"}, at=now())
    steps = {step: f"/orders/{dear.order_no}/refund/{step}/" for step in ("material", "money", "check")}
    return {f"apply_{step}": path for step, path in steps.items()} | {
        "apply_one_tap": f"/orders/{small.order_no}/refund/one-tap/",
        "order_one_tap": f"/orders/{small.order_no}/",
        "apply_shut_material": f"/orders/{late.order_no}/refund/material/",
        "apply_shut_check": f"/orders/{late.order_no}/refund/check/",
        "apply_again": f"/orders/{refused.order_no}/refund/",
        "apply_again_material": f"/orders/{refused.order_no}/refund/material/",
    }


def pages_of_reviews(said: Any, unsaid: Any, merchant: Any) -> dict[str, str]:
    """One order with the buyer's words and the shop's, one that waits for them. Both are completed."""
    from clock import now
    from orders import reviews

    words = {"stars": 4, "text": "退款很快，到账及时。", "about_refund": True}
    reviews.reply(reviews.write(said, by=said.buyer, at=now(), **words), "谢谢支持！", by=merchant, at=now())
    return {"review": f"/orders/{unsaid.order_no}/review/", "review_said": f"/orders/{said.order_no}/review/"}


def pages_of_papers(arrived: Any, rejected: Any) -> dict[str, str]:
    """What a buyer takes to others, and what those others look at."""
    from refunds import receipt

    no, code = arrived.refund_no, receipt.of(arrived).code
    return {
        "receipt": f"/refunds/{no}/receipt/", "receipt_of_nothing": f"/refunds/{rejected.refund_no}/receipt/",
        "pack": f"/refunds/{rejected.refund_no}/pack/", "next_steps": f"/refunds/{rejected.refund_no}/next-steps/",
        "receipt_check_strangers": "/receipts/", "receipt_checked_strangers": f"/receipts/{no}/{code}/",
        "receipt_unknown_strangers": f"/receipts/{no}/0000-0000-0000-0000/",
    }  # fmt: skip


def pages_of_records(order: Any) -> dict[str, str]:
    """A day is over, and its root is published."""
    from records import roots

    roots.publish(at=roots.now() + timedelta(days=1))
    no = order.order_no
    return {
        "records": "/records/", "order_record": f"/orders/{no}/record/",
        "shop_order_record": f"/shop/orders/{no}/record/",
    }  # fmt: skip


def pages_of_pace() -> dict[str, str]:
    """What an hour counts of a few cases, beside what it would count of many: both kinds of row are looked at."""
    from clock import now
    from refunds import pace
    from refunds.models import StageFigures

    pace.compute(at=now())
    busy = {
        "decision_automatic": (1840, 1, 2, 1838), "decision_person": (412, 570, 2890, 401),
        "release_automatic": (1655, 1, 3, 1655), "handover": (1977, 1, 4, None), "channel_wechat": (1304, 3, 310, None),
        "whole_automatic": (1655, 5, 320, None), "whole_person": (322, 1310, 4412, None),
    }  # fmt: skip
    for stage, (count, median, p90, kept) in busy.items():
        StageFigures.objects.filter(stage=stage).update(
            case_count=count, median_minutes=median, p90_minutes=p90, kept_count=kept
        )
    StageFigures.objects.filter(stage="decision_person").update(overdue_count=3)
    return {"status": "/status/"}


def a_guests_order(product: Any, pay: Any) -> Any:
    from accounts import guests
    from clock import now
    from orders import placing

    key = uuid.uuid4()
    guest = guests.open_for(key, QUERY_PASSWORD)
    return pay(placing.place(product, placing.Wish(), buyer=guest, checkout_key=key, at=now()))


def a_top_up(product: Any, buyer: Any, pay: Any) -> Any:
    from clock import now
    from orders import placing
    from orders.recipients import Recipient

    wish = placing.Wish(recipient=Recipient("phone", "13800001234"))
    return pay(placing.place(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=now()))


def pages_of_the_shop(working: Any, goods: Any, merchant: Any, finance: Any) -> dict[str, str]:
    """What the shop's people look at, with something on each page."""
    from clock import now
    from orders import service_jobs, talk
    from orders.models import ServiceJob
    from refunds import figures
    from shops import deposits
    from shops.models import Coupon, GuaranteeTerms

    talk.say(working, "什么时候能开始？", by=working.buyer, at=now())
    talk.say(working, "今晚八点前。加微信 abc12345 发您截图", by=merchant, at=now())
    job = ServiceJob.objects.get(line__order=working)
    service_jobs.start(job, by=merchant, at=now())
    service_jobs.report(job, by=merchant, by_shop=True, at=now(), text="打到一半。", percent=50, image=_picture())
    deposits.record(goods.shop, amount_fen=100_000, voucher="V-1", note="", by=finance, at=now())
    terms = {"open_days": 0, "least_deliveries": 1, "most_canceled_percent": 50}
    GuaranteeTerms.objects.create(version=1, published_at=now(), **terms)
    figures.compute(at=now())
    pages = ["products", "products/new", "coupons", "coupons/new", "people", "leave", "figures", "deposit", "reviews"]
    pages += ["money", f"money/{now():%Y-%m}", "withdraw", "withdraw/payee"]
    return {f"shop_{page.replace('/', '_')}": f"/shop/{page}/" for page in pages} | {
        "shop_waiting": "/shop/?show=waiting",
        "shop_order_service": f"/shop/orders/{working.order_no}/",
        "shop_product": f"/shop/products/{goods.pk}/",
        "shop_coupon": f"/shop/coupons/{Coupon.objects.get().pk}/",
    }


def pages_of_the_stock(product: Any, merchant: Any) -> dict[str, str]:
    """Lists of codes at each step on their way in, and a code that was taken out of sale."""
    from clock import now
    from shops import importing, quarantine

    def upload(data: bytes, name: str) -> Any:
        list_of_codes = importing.upload(product, data, file_name=name, by=merchant, at=now())
        _import()
        return list_of_codes

    code = product.codes.filter(state="in_stock").first()
    quarantine.take_out(product, [code.pk], by=merchant, at=now())
    checked, bad = upload(LIST.encode(), "codes.csv"), upload(b"PK\x03\x04 no", "bad.xlsx")
    done = upload(b"CARD-DONE", "done.csv")
    importing.confirm(done, good=1, is_part=False, by=merchant, at=now())
    _import()
    checking = importing.upload(product, b"CARD-LATER", file_name="later.csv", by=merchant, at=now())
    stock = f"/shop/products/{product.pk}/stock/"
    return {
        "shop_stock": "/shop/stock/", "shop_stock_product": stock, "shop_stock_void": f"{stock}?state=void",
        "shop_stock_quarantine": f"{stock}?state=quarantined", "shop_stock_code": f"/shop/codes/{code.pk}/",
        "shop_imports": f"/shop/products/{product.pk}/imports/", "shop_import_checked": f"/shop/imports/{checked.pk}/",
        "shop_import_checking": f"/shop/imports/{checking.pk}/", "shop_import_done": f"/shop/imports/{done.pk}/",
        "shop_import_bad": f"/shop/imports/{bad.pk}/",
    }  # fmt: skip


def pages_of_programs(shop: Any, merchant: Any) -> dict[str, str]:
    """Keys, one of them revoked; an address that heard something, did not hear something, and is about to."""
    from clock import now
    from integrations import endpoints, keys, letters, sending
    from integrations.models import WebhookDelivery
    from refunds.models import RefundEvent

    words: dict[str, Any] = {"by": merchant, "at": now()}
    keys.make(shop, "ERP", ["orders:read", "refunds:read"], **words)
    keys.revoke(keys.make(shop, "Old", ["orders:read"], **words)[0], **words)
    webhook, _secret = endpoints.add(shop, "https://hooks.example.com/cardshop", list(letters.EVENTS), **words)
    for outcome in (204, 500):
        endpoints.ping(webhook, **words)
        sending.record([(row, outcome) for row in sending.claim(now())], at=now())
    event = RefundEvent.objects.filter(refund__shop=shop).latest("pk")
    WebhookDelivery.objects.create(
        endpoint=webhook, event=event, kind=letters.kind_of(event), created_at=now(), next_due_at=now()
    )
    return {
        "shop_keys": "/shop/keys/", "shop_webhooks": "/shop/webhooks/",
        "shop_webhook": f"/shop/webhooks/{webhook.pk}/",
    }  # fmt: skip


def pages_of_support(case: Any, clear: Any, merchant: Any, reviewer: Any, senior: Any) -> dict[str, str]:
    """A ticket that waits, one with an answer, one that is closed; a complaint that the shop may answer, one upheld.

    ``case`` is under way, ``clear`` is an order without one.
    """
    from clock import now
    from support import complaints, tickets

    buyer = case.buyer
    answered, closed, waiting = (
        tickets.open_ticket(topic="refund", text="什么时候有结果？", by=buyer, at=now(), refund=case, images=pictures)
        for pictures in ([], [], [_picture()])
    )
    tickets.answer(answered, "正在与发卡方核实。", by=reviewer, at=now())
    tickets.close(closed, "同一件事，在另一张工单里答复。", by=reviewer, at=now())
    begun, upheld = (
        complaints.complain(order, causes=["outside"], text="让我加微信 abc12345 私下退款。", by=buyer, at=now())
        for order in (clear, case.order)
    )
    for complaint in (begun, upheld):
        complaints.investigate(complaint, by=senior, at=now())
    complaints.answer(upheld, "不会再这样。", by=merchant, at=now())
    complaints.uphold(upheld, reason="留言属实。", by=senior, at=now())
    ask = f"/support/assistant/?refund={case.refund_no}"
    return {
        "support": "/support/", "support_strangers": "/support/", "assistant": ask,
        "assistant_said": f"{ask}&ask=progress", "tickets": "/support/tickets/", "ticket_new": "/support/tickets/new/",
        "ticket_waiting": f"/support/tickets/{waiting.ticket_no}/", "complaints": "/support/complaints/",
        "ticket_answered": f"/support/tickets/{answered.ticket_no}/", "verify": "/support/verify/",
        "ticket_closed": f"/support/tickets/{closed.ticket_no}/",
        "complain": f"/orders/{case.order.order_no}/complain/",
        "complaint_begun": f"/support/complaints/{begun.complaint_no}/", "shop_complaints": "/shop/complaints/",
        "complaint_upheld": f"/support/complaints/{upheld.complaint_no}/",
        "shop_complaint": f"/shop/complaints/{begun.complaint_no}/",
    }  # fmt: skip


def an_application(applicant: Any) -> dict[str, str]:
    """申请入驻, waiting for an operator."""
    from clock import now
    from shops import life

    papers = life.Papers("新开的店", "点卡", "13800000000", documents=[("营业执照", _picture())])
    life.apply(papers, by=applicant, at=now())
    return {"applicant_applied": "/shop/apply/"}


def _import() -> None:
    from clock import now
    from shops import importing

    while importing.sweep(at=now()):
        pass


def _picture() -> Any:
    from PIL import Image

    import images

    picture = io.BytesIO()
    Image.new("RGB", (60, 40), "teal").save(picture, "PNG")
    return images.repaint(picture.getvalue())
