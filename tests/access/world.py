"""The stage of the access matrix: one of everything that an address can be about, all of it the owner's."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.urls import reverse

import private_pictures
from tests.access.matrix import ROLES
from tests.access.walker import Address


@dataclass
class World:
    """People by role, cases by status, orders, and the rows that pages of the desk show."""

    people: dict[str, Any]
    cases: dict[str, Any] = field(default_factory=dict)
    orders: dict[str, Any] = field(default_factory=dict)
    evidence: Any = None
    draft_image: Any = None
    report: Any = None
    document: Any = None
    coupon: Any = None
    stock_import: Any = None
    code: Any = None
    key: Any = None
    webhook: Any = None
    ticket: Any = None
    complaint: Any = None
    delivery: Any = None
    review: Any = None
    reader: Any = None  # whom addresses of pictures are signed for

    def path(self, address: Address, about: dict[str, str]) -> str:
        """The address of the owner's own thing."""
        if address.name == "admin:admin/(?P<url>.*)$":
            return "/admin/no/such/page/"
        if address.name == "api:none":
            return "/api/no/such/thing/"
        if address.name == "notify":
            return "/notify/wechat/payment"
        if address.name == "notify":
            return "/notify/wechat/refund"
        known = self._parameters(address, about)
        if address.name.endswith("/<path:object_id>/"):
            app, model = address.route.split("/")[1:3]
            return f"/admin/{app}/{model}/{known['object_id']}/"
        return reverse(address.name, kwargs=known)

    def body(self, name: str, about: dict[str, str]) -> dict[str, Any]:
        """What somebody sends who means it."""
        case, order = self.cases[about.get("case", "reviewed")], self.orders[about.get("order", "paid")]
        if name == "api:step":
            from api.steps import parameters_of

            return {word: MEANT[word] for word, needed in parameters_of(about["step"]) if needed or word == "note"}
        bodies: dict[str, dict[str, Any]] = {
            "api:refunds": {"order_no": order.order_no, "reason": "late"},
            "api:refund_batch": {"order_nos": [order.order_no], "reason": "late"},
            "api:release": {"refund_nos": [case.refund_no]},
            "api:payouts": {"most_lines": 9, "most_fen": 1_000_000},
            "api:evidence": {"note": "说明"},
            "storefront:buy": {
                "quantity": 1,
                "consent": "on",
                "checkout_key": str(uuid.uuid4()),
                "query_password": "query password",
                "again": "on",
            },
            "storefront:report": {"text": "凭证"},
            "storefront:say": {"text": "您好"},
            "storefront:find": {"order_no": order.order_no, "query_password": "query password"},
            "storefront:apply": {"reason": "late"},
            "storefront:apply_material": {"description": "超时", "next": "1"},
            "storefront:apply_check": {"seen": self.draft_image.draft.updated_at.isoformat()},
            "storefront:apply_one_tap": {"amount": order.total_fen},
            "storefront:provide_evidence": {"note": "说明"},
            "storefront:language": {"language": "en"},
            "portal:say": {"text": "您好"},
            "storefront:assistant": {"ask": "progress"},
            "storefront:new_ticket": {"topic": "other", "text": "您好"},
            "storefront:ticket_say": {"text": "您好"},
            "storefront:complain": {"causes": "broken", "text": "说好的没有兑现"},
            "portal:answer": {"note": "说明"},
            "portal:answer_complaint": {"text": "情况如下"},
        }
        if name.startswith("admin:") and name.rsplit("_", 1)[-1] not in {"changelist", "add", "change", "delete"}:
            return {"_form_submitted": "True", "note": "说明"}
        return bodies.get(name, {})

    def query(self, name: str, about: dict[str, str]) -> str:
        if name == "api:eligibility":
            return "?reason=late"
        if self.reader and name == "storefront:support_picture":
            picture = self.ticket.pictures.get()
            return "?" + private_pictures.address(name, picture, self.reader).partition("?")[2]
        if self.reader and name in {"storefront:evidence", "storefront:apply_picture"}:
            picture = self.evidence if name == "storefront:evidence" else self.draft_image
            return "?" + private_pictures.address(name, picture, self.reader).partition("?")[2]
        if name == "admin:refunds_refund_release_chosen":
            return f"?_selected_action={self.cases[about['case']].pk}"
        if name.startswith("admin:refunds_lanelimits_"):
            return "?lane=one_click"
        if name == "admin:payments_refundattempt_ask_again":
            return f"?_selected_action={self.row('payments.refundattempt').pk}"
        return ""

    def row(self, label: str, case: str = "reviewed") -> Any:
        """A row of a table of the desk."""
        from django.apps import apps

        if label == "refunds.refund":
            return self.cases[case]
        if label == "accounts.user":
            return self.people["stranger"]
        return apps.get_model(label)._default_manager.order_by("pk").first()

    def _parameters(self, address: Address, about: dict[str, str]) -> dict[str, Any]:
        """What stands in the address, each looked up only where it does: thousands of addresses are asked for."""
        known = self._known(address, about)
        return {name: known[name]() for name in address.parameters}

    def _known(self, address: Address, about: dict[str, str]) -> dict[str, Callable[[], Any]]:
        from refunds import receipt

        case, order = self.cases[about.get("case", "reviewed")], self.orders[about.get("order", "paid")]

        def product() -> Any:
            return order.lines.first().product

        known: dict[str, Callable[[], Any]] = {
            "order_no": lambda: order.order_no,
            "position": lambda: 1,
            "year": lambda: 2026,
            "month": lambda: 11,
            "product_id": lambda: product().pk,
            "shop_id": lambda: order.shop_id,
            "code": lambda: product().policy.code,
            "version": lambda: product().policy.version,
            "earlier": lambda: product().policy.version,
            "later": lambda: product().policy.version + 1,
            "refund_no": lambda: case.refund_no,
            "step": lambda: about.get("step", "approve"),
            "evidence_id": lambda: self.evidence.pk,
            "image_id": lambda: self.draft_image.pk,
            "report_id": lambda: self.report.pk,
            "document_id": lambda: self.document.pk,
            "coupon_id": lambda: self.coupon.pk,
            "import_id": lambda: self.stock_import.pk,
            "code_id": lambda: self.code.pk,
            "batch_no": lambda: self.row("refunds.payoutbatch").batch_no,
            "shop_key_id": lambda: self.key.pk,
            "ticket_no": lambda: self.ticket.ticket_no,
            "complaint_no": lambda: self.complaint.complaint_no,
            "picture_id": lambda: self.ticket.pictures.get().pk,
            "webhook_id": lambda: self.webhook.pk,
            "delivery_id": lambda: self.delivery.pk,
            "member_id": lambda: order.shop.memberships.order_by("pk").first().pk,
            "review_id": lambda: self.review.pk,
            "notice_id": lambda: case.buyer.notices.first().pk,
            "kind": lambda: "payment",
            "day": lambda: _published_day(),
            "key": lambda: self.evidence.pk if address.name.startswith("admin:") else "nothing",
            "uidb36": lambda: "1",
            "app_label": lambda: "refunds",
            "content_type_id": lambda: 1,
            "object_id": lambda: 1,
        }
        if address.name in {"storefront:refund_answer", "portal:answer"}:
            known["kind"] = lambda: about["step"]
        if address.name == "admin:refunds_refund_buyer":
            known["object_id"] = lambda: case.buyer_id
        if address.name == "admin:refunds_refund_shop":
            known["object_id"] = lambda: case.shop_id
        if address.name == "storefront:receipt_checked":
            known["code"] = lambda: receipt.of(case).code or "AAAA-AAAA-AAAA-AAAA"  # no receipt yet: nobody's
        if "object_id" in address.parameters and address.name not in OF_THEIR_OWN:
            label = ".".join(address.route.split("/")[1:3])
            known["object_id"] = lambda: self.row(label, about.get("case", "reviewed")).pk
        return known


#: Addresses below a table's that are not about a row of it.
OF_THEIR_OWN = {"admin:view_on_site", "admin:refunds_refund_buyer", "admin:refunds_refund_shop"}
MEANT = {"note": "说明", "amount_fen": 1000}  # what a step cannot be taken without


@pytest.fixture
def world(
    buyer, stranger, merchant, reviewer, senior, finance, operator,
    buy, make_product, pay, supplier, reviewed, approved, released, ends_as, buy_by_card,
) -> World:  # fmt: skip
    """Every thing has lived its way to where it stands."""
    import clock
    from notices.models import NoticeDelivery
    from orders import service_jobs
    from orders.placing import Wish
    from payments import charging
    from refunds import drafts, lifecycle
    from shops.models import Shop
    from tests.cast import person

    rival = person("rival", "merchant")
    Shop.objects.create(name="另一家店", created_at=clock.now()).members.add(rival)
    everybody = [None, buyer, stranger, merchant, rival, reviewer, senior, finance, operator]
    here = World(dict(zip(ROLES, everybody, strict=True)))
    here.orders["paid"] = buy(price_fen=3000)
    drafts.keep(here.orders["paid"], {"reason": "late"}, at=clock.now())
    here.draft_image = drafts.add_image(here.orders["paid"], slot="not_arrived", image=_picture(), at=clock.now())
    here.orders["unpaid"] = charging.checkout(
        make_product(), Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()
    ).order
    here.orders["service"] = buy(stock=0)
    job = here.orders["service"].lines.get().service
    service_jobs.start(job, by=merchant, at=clock.now())
    here.report = service_jobs.report(job, by=merchant, by_shop=True, at=clock.now(), image=_picture())
    told = {"channel": "email", "status": "given_up", "last_error": "mail_down", "created_at": clock.now()}
    NoticeDelivery.objects.create(notice=buyer.notices.first(), **told)
    for name in ("reviewed", "waiting"):
        here.cases[name] = reviewed()
        lifecycle.request_evidence([here.cases[name]], by=reviewer, at=clock.now(), note="请补充")
    lifecycle.provide_evidence(here.cases["reviewed"], by=buyer, at=clock.now(), images=[_picture()])
    here.evidence = here.cases["reviewed"].evidence.get()
    approved()
    _a_payout(finance)
    here.cases["approved"] = approved()
    here.cases["to_balance"] = approved(destination="balance")
    here.cases["paid_out"] = ends_as(released(buy_by_card()), "SUCCESS")
    here.cases["returned"] = ends_as(released(), "CLOSED")
    for case in here.cases.values():
        case.refresh_from_db()
    assert {name: str(case.status) for name, case in here.cases.items()} == {
        "reviewed": "first_review", "waiting": "awaiting_evidence", "approved": "approved", "paid_out": "paid_out",
        "returned": "returned", "to_balance": "approved",
    }  # fmt: skip
    _rows_of_the_desk(operator)
    _the_lanes(operator, here.cases["returned"])
    _a_pack(here.cases["reviewed"], buyer)
    _a_compensation(here.orders["paid"], finance)
    _a_day_is_over()
    _rows_of_the_shops(here)
    _stock(here)
    _a_program_of_the_shops(here)
    here.review = _a_review(here, buy())
    _a_canned_reply(operator)
    _support(here, here.orders["service"])
    _cancellations(operator, buy(stock=0))
    _a_draft_on_trial(operator, here.orders["paid"].policy)
    _a_transfer(finance, merchant, here.orders["paid"].shop)
    _a_topup(buyer, make_product, pay, supplier)
    _a_late_bill()
    return here


def _picture() -> Any:
    from PIL import Image

    import images

    picture = io.BytesIO()
    Image.new("RGB", (8, 8), "orange").save(picture, "PNG")
    return images.repaint(picture.getvalue())


def _a_transfer(finance: Any, owner: Any, shop: Any) -> None:
    """A withdrawal that waits, and the switch of outgoing money, as finance turned it."""
    from datetime import timedelta

    import clock
    from ledger import posting
    from payments import outgoing, payees, transfers
    from payments.transfer_models import PayeeKind
    from shops import money

    settled = money.Move("settle:D0000000ACCE55", shop.pk, 5000, posting.shop_account(shop.pk))
    posting.post(money.pay_in([settled]), at=clock.now())
    card = payees.Account(PayeeKind.BANK, "李雷", "6222021234567890", "招商银行")
    payees.lay_down(card, by=owner, at=clock.now() - timedelta(days=2), shop=shop)
    transfers.withdraw(shop, amount_fen=500, by=owner, at=clock.now(), verified_by="password")
    outgoing.stop(by=finance, reason="核对", at=clock.now())
    outgoing.resume(by=_somebody_else(finance), reason="好了", at=clock.now())


def _somebody_else(finance: Any) -> Any:
    from tests.cast import person

    return person(f"{finance.username}2", "finance")


def _a_late_bill() -> None:
    """Yesterday's, with the difference that it is."""
    from datetime import timedelta

    import clock
    from reconciliation import matching, statements
    from reconciliation.models import Statement

    at = clock.now()
    statements.want(at.date() - timedelta(days=1), at=at)
    matching.is_late(Statement.objects.order_by("pk").first(), at=at)  # type: ignore[arg-type]


def _a_topup(buyer: Any, make_product: Any, pay: Any, supplier: Any) -> None:
    """Paid, and not sent yet."""
    import clock
    from orders import placing
    from orders.recipients import Recipient

    product = make_product(
        kind="top_up", fulfilment="top_up", recipient_kind="phone", supplier=supplier, supplier_sku="phone-50"
    )
    wish = placing.Wish(recipient=Recipient("phone", "13800001234"))
    pay(placing.place(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()))


def _a_program_of_the_shops(world: World) -> None:
    """It has a key, an address that hears webhooks, and one that waits to be sent there."""
    import clock
    from integrations import endpoints, keys

    words: dict[str, Any] = {"by": world.people["merchant"], "at": clock.now()}
    shop = world.orders["paid"].shop
    world.key, _text = keys.make(shop, "ERP", ["orders:read"], **words)
    world.webhook, _secret = endpoints.add(shop, "https://example.com/hook", ["refund.approved"], **words)
    world.delivery = endpoints.ping(world.webhook, **words)


def _support(world: World, order: Any) -> None:
    """The owner has asked, and complained about the shop, which is being looked into."""
    import clock
    from support import complaints, tickets
    from support.models import Topic

    words: dict[str, Any] = {"text": "您好", "by": world.people["owner"], "at": clock.now(), "images": [_picture()]}
    world.ticket = tickets.open_ticket(topic=Topic.OTHER, **words)
    world.complaint = complaints.complain(order, causes=["broken"], **words)
    complaints.investigate(world.complaint, by=world.people["senior"], at=clock.now())


def _a_canned_reply(operator: Any) -> None:
    """Those that a migration lays down are gone once a test has emptied the tables."""
    import clock
    from refunds.models import CannedReply

    if not CannedReply.objects.exists():
        words = {"title": "请补图", "text": "请上传兑换页面的截图。"}
        CannedReply.objects.create(step="request_evidence", written_by=operator, written_at=clock.now(), **words)


def _a_review(world: World, order: Any) -> Any:
    import clock
    from orders import delivery, reviews
    from shops.stock import Viewer

    delivery.reveal(order.lines.get(), viewer=Viewer(order.buyer, None, ""), at=clock.now())
    order.refresh_from_db()
    return reviews.write(order, stars=5, text="好", by=order.buyer, at=clock.now(), about_refund=False)


def _a_draft_on_trial(operator: Any, policy: Any) -> None:
    """Of the next version of a policy."""
    import clock
    from refunds import simulation
    from shops import policies

    draft = policies.new_draft(policy.code, by=operator)
    simulation.start(draft, wanted=10, by=operator, at=clock.now())


def _a_payout(finance: Any) -> None:
    """A draft of what waits to be released; what comes after it does not wait in a batch."""
    import clock
    from refunds.payouts import batches

    batches.compose(by=finance, at=clock.now(), most_lines=9, most_fen=1_000_000)


def _cancellations(operator: Any, order: Any) -> None:
    """One order canceled, a shop's about to be, and buyers are told."""
    from datetime import timedelta

    import clock
    from orders import bulk, cancellation
    from orders.models import Announcement, Cause

    at = clock.now()
    cancellation.cancel(order, cause=Cause.RISK, by=operator, at=at, reason="风控")
    bulk.preview(order.shop, cause=Cause.OUTAGE, reason="故障", by=operator, at=at)
    Announcement.objects.create(
        text="公告", text_en="Notice", starts_at=at, ends_at=at + timedelta(days=1), created_by=operator
    )


def _rows_of_the_shops(world: World) -> None:
    """What a shop hands in, lays down and gives away, what its badge demands, and what a supplier said."""
    from datetime import timedelta

    import clock
    from shops import deposits, life
    from shops.models import Category, Coupon, GuaranteeTerms, Supplier, SupplierAnswer

    at, shop = clock.now(), world.orders["paid"].shop
    papers = life.Papers("新店", "点卡", "13800000000", documents=[("营业执照", _picture())])
    world.document = life.apply(papers, by=world.people["owner"], at=at).documents.get()
    deposits.record(shop, amount_fen=1, voucher="V1", note="", by=world.people["finance"], at=at)
    deposits.ask_back(shop, amount_fen=1, note="退出", by=world.people["finance"], at=at)
    life.suspend(shop, by=world.people["operator"], at=at, reason="查")
    life.reinstate(shop, by=world.people["operator"], at=at, reason="查清")
    GuaranteeTerms.objects.create(version=1, published_at=at)
    Category.objects.get_or_create(slug="games", defaults={"name": "游戏", "name_en": "Games"})
    world.coupon = Coupon.objects.create(
        shop=shop, code="TEN", kind="percent", off_percent=10, starts_at=at, ends_at=at + timedelta(days=1), most_uses=1
    )
    supplier = Supplier.objects.get_or_create(code="issuer", defaults={"name": "发卡方", "created_at": at})[0]
    SupplierAnswer.objects.create(
        supplier=supplier, about="topup:T1", state="unknown", body="{}", timestamp="1", nonce="n", signature="s",
        public_key_digest="d", at=at,
    )  # fmt: skip


def _stock(world: World) -> None:
    """A list that waits to be taken in, and a code that its shop took out of sale."""
    import clock
    from shops import importing, quarantine

    product, merchant, at = world.orders["paid"].lines.get().product, world.people["merchant"], clock.now()
    world.stock_import = importing.upload(product, b"MATRIX-1", file_name="codes.csv", by=merchant, at=at)
    importing.sweep(at=clock.now())
    world.code = product.codes.filter(state="in_stock").first()
    quarantine.take_out(product, [world.code.pk], by=merchant, at=at)


def _rows_of_the_desk(operator: Any) -> None:
    """What these stories leave empty: the log of the desk, and what a channel sent."""
    from django.contrib.admin.models import CHANGE, LogEntry

    import clock
    from payments.models import ChannelAccount, ChannelNotification, RefusedNotification
    from workcalendar.models import CalendarDay, CalendarPlan

    at, account = clock.now(), ChannelAccount.objects.get(code="wechat")
    LogEntry.objects.log_actions(operator.pk, [operator], CHANGE, "改动")
    ChannelNotification.objects.create(account=account, notification_id="N1", kind="payment", received_at=at)
    RefusedNotification.objects.create(account=account, code="signature", hour=at, last_at=at)
    plan = CalendarPlan.objects.create(year=2027, is_whole_year=True, source="通知", entered_by=operator, at=at)
    CalendarDay.objects.create(plan=plan, day="2027-01-01", is_working=False, name="元旦")


def _the_lanes(operator: Any, case: Any) -> None:
    """An operator has set what one may give, and a decision waits to be looked at."""
    import clock
    from refunds import arrival_times, lanes
    from refunds.models import AuditSample, Lane

    lanes.switch(Lane.UNDELIVERED, is_on=False, by=operator, at=clock.now(), reason="核查")
    lanes.switch(Lane.UNDELIVERED, is_on=True, by=operator, at=clock.now(), reason="查清")
    AuditSample.objects.create(refund=case, lane=Lane.ONE_CLICK, drawn_at=clock.now())
    arrival_times.measure(at=clock.now())


def _a_compensation(order: Any, finance: Any) -> None:
    """Above the limit: it waits for a second person."""
    import clock
    from orders import compensating

    compensating.make(order, amount_fen=60_000, reason="等待过久", refund_no="", by=finance, at=clock.now())


def _a_pack(case: Any, reader: Any) -> None:
    """It was taken home."""
    import clock
    from records.models import PackDownload

    words = {"about": case.refund_no, "made_for": "buyer", "manifest_digest": "0" * 64, "size_bytes": 1}
    PackDownload.objects.create(**words, reader=reader, at=clock.now())


def _a_day_is_over() -> None:
    from datetime import timedelta

    from records import roots

    roots.publish(at=roots.now() + timedelta(days=1))


def _published_day() -> Any:
    from records.models import DailyRoot

    return DailyRoot.objects.values_list("day", flat=True).first()
