"""SQL against every rule about orders, deliveries and cancellations: the database itself refuses, whoever asks."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

import clock
from cardshop import invariants
from orders import cancellation, compensating, replacing
from orders.models import (
    Announcement,
    BulkCancellation,
    Cause,
    CouponUse,
    OrderMessage,
    Review,
    ServiceReport,
    TopUp,
)
from orders.placing import Wish, place
from refunds import settlement
from shops import policies
from shops.models import Coupon, Supplier
from tests import attacks
from tests.attacks import another

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(buy, buyer, reveal, operator, merchant, finance, make_product):
    """An order delivered, one placed, one with work to do, one canceled, a top-up on its way: rows in every table."""
    at = clock.now()
    reveal(settled := buy())
    settlement.sweep(at=at)
    settlement.sweep(at=at + timedelta(days=16))
    done, paid, off = buy(quantity=2), buy(stock=0), buy(stock=0)
    placed = place(make_product(), Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=at)
    line, work = done.lines.first(), paid.lines.get()
    canceled = cancellation.cancel(off, cause=Cause.BUYER, by=buyer, at=at)
    Supplier.objects.create(code="s", name="s", created_at=at)
    topup = TopUp.objects.create(line=line, supplier=Supplier.objects.get(), created_at=at, next_due_at=at)
    coupon = Coupon.objects.create(
        shop=done.shop, code="C", kind="fixed", off_fen=1, starts_at=at, ends_at=at.replace(year=at.year + 1),
        most_uses=9,
    )  # fmt: skip
    CouponUse.objects.create(coupon=coupon, order=done, number=1, at=at)
    OrderMessage.objects.create(order=done, author=buyer, side="buyer", text="在吗", at=at)
    Review.objects.create(order=done, product=line.product, shop=done.shop, author=buyer, stars=5, at=at)
    Announcement.objects.create(
        text="公告", text_en="news", starts_at=at, ends_at=at.replace(year=at.year + 1), created_by=operator
    )
    bulk = BulkCancellation.objects.create(
        shop=done.shop, cause=Cause.SHOP_LEAVING, reason="x", created_by=operator, created_at=at
    )
    reveal(swapped := buy())
    swapped.refresh_from_db()
    replacing.replace(swapped, list(swapped.lines.all()), at=clock.now(), by=merchant)
    large = compensating.make(
        done, amount_fen=60_000, reason="等待过久", refund_no="", by=finance, at=at
    )  # above the limit: it waits
    ServiceReport.objects.create(job=work.service, author=merchant, by_shop=True, text="开始", at=at)
    return {
        "settled": settled.pk,
        "large": large.pk,
        "swapped": swapped.pk,
        "done": done.pk,
        "paid": paid.pk,
        "placed": placed.pk,
        "line": line.pk,
        "work": work.pk,
        "waiting": placed.lines.get().pk,
        "job": work.service.pk,
        "topup": topup.pk,
        "canceled": canceled.pk,
        "bulk": bulk.pk,
        "product": line.product_id,
        "draft": policies.new_draft(done.policy.code, by=operator).pk,
        "other_policy": placed.policy_id,
        "operator": operator.pk,
        "code": f"'{line.delivery.code_id}'",
        "kept": f"'{placed.lines.get().reservation.code_id}'",
        "kept_code": str(placed.lines.get().reservation.code_id),
        "done_no": done.order_no,
        "paid_no": paid.order_no,
    }


#: With its posting, so that only the rules beside it can refuse.
POSTED = """
WITH made AS (INSERT INTO ledger_posting (ref, posted_at) VALUES ('compensation:{large}', now()) RETURNING id),
     whose AS (INSERT INTO ledger_account (code, kind) SELECT 'balance:' || buyer_id, 'balance'
                 FROM orders_compensation WHERE id = {large} RETURNING id)
INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen)
SELECT made.id, whose.id, side, 60000 FROM made, whose, unnest(ARRAY['credit', 'debit']) AS side;
"""

ATTACKS = {
    "an invented status": ("UPDATE orders_order SET status = 'lost' WHERE id = {done}", "order_status_is_listed"),
    "an order for nothing": (
        "UPDATE orders_order SET total_fen = 0, discount_fen = goods_fen WHERE id = {done}",
        "order_total_is_positive",
    ),
    "a discount that is not in the total": (
        "UPDATE orders_order SET discount_fen = discount_fen + 1 WHERE id = {done}",
        "order_total_is_goods_less_discount",
    ),
    "a paid order that nobody comes back to": (
        "UPDATE orders_order SET next_due_at = NULL WHERE id = {paid}",
        "undelivered_order_is_due",
    ),
    "an order made under a draft": (
        another("orders.Order", "id = {done}", order_no="'Z'", checkout_key="gen_random_uuid()", policy_id="{draft}"),
        "is not published",
    ),
    "an order put under a draft": (
        "UPDATE orders_order SET policy_id = {draft} WHERE id = {done}",
        "is not published",
    ),
    "an order moved to another version (PM19)": (
        "UPDATE orders_order SET policy_id = {other_policy} WHERE id = {done}",
        "Cannot update",
    ),
    "paid at no time": ("UPDATE orders_order SET paid_at = NULL WHERE id = {done}", "paid_order_has_its_time"),
    "settled for a sum at no time": (
        another("orders.Order", "id = {paid}", order_no="'Z'", checkout_key="gen_random_uuid()", settled_fen="5"),
        "settled_order_says_how_much",
    ),
    "settled before it is delivered": (
        "UPDATE orders_order SET settled_at = now(), settled_fen = total_fen WHERE id = {paid}",
        "is not done with",
    ),
    "settled without its posting": (
        "UPDATE orders_order SET settled_at = now(), settled_fen = total_fen WHERE id = {swapped}",
        "settles for 3000 fen, not 3000, and 0 are posted",
    ),
    "settled for less": (
        "UPDATE orders_order SET settled_at = now(), settled_fen = 0 WHERE id = {swapped}",
        "settles for 3000 fen, not 0",
    ),
    "settled twice": ("UPDATE orders_order SET settled_at = now() WHERE id = {settled}", "is settled already"),
    "settled no more": (
        "UPDATE orders_order SET settled_at = NULL, settled_fen = NULL WHERE id = {settled}",
        "is settled already",
    ),
    "one page, two orders (P1)": (another("orders.Order", "id = {done}", order_no="'Z'"), "orders_order_checkout_key"),
    "two events with one number": (another("orders.OrderEvent"), "order_events_are_numbered"),
    "a code replaced by itself": (
        another("orders.Replacement", new_code_id="old_code_id"),
        "replacement_is_another_code",
    ),
    "a line twice": (another("orders.OrderLine"), "order_line_position_is_unique"),
    "a line for nothing": (
        another("orders.OrderLine", position="99", price_fen="0"),
        "order_line_price_is_positive",
    ),
    "a line above its list price": (
        another("orders.OrderLine", position="99", price_fen="list_price_fen + 1"),
        "order_line_costs_at_most_its_list_price",
    ),
    "another price of an old order": ("UPDATE orders_orderline SET price_fen = 1 WHERE id = {line}", "Cannot update"),
    "a coupon used twice under one number": (
        another("orders.CouponUse", order_id="{paid}"),
        "coupon_uses_are_numbered",
    ),
    "two coupons on one order": (another("orders.CouponUse", number="2"), "orders_couponuse_order"),
    # delivery
    "one code kept for two lines (P16)": (
        another("orders.Reservation", "line_id = {waiting}", line_id="{work}"),
        "code_is_reserved_once",
    ),
    "one code for two lines (I9)": (another("orders.Delivery", line_id="{work}"), "orders_delivery_code"),
    "two codes for one line": (
        another("orders.Delivery", "line_id = {line}", code_id="{kept}"),
        "orders_delivery_line",
    ),
    "an invented status of a top-up": (
        "UPDATE orders_topup SET status = 'maybe' WHERE id = {topup}",
        "topup_status_is_listed",
    ),
    "a lost top-up with an invented end": (
        "UPDATE orders_topup SET if_missing = 'oops' WHERE id = {topup}",
        "topup_if_missing_is_listed",
    ),
    "a top-up that nobody asks about": (
        "UPDATE orders_topup SET next_due_at = NULL WHERE id = {topup}",
        "moving_topup_is_due",
    ),
    "a top-up that arrived by nobody's word": (
        "UPDATE orders_topup SET status = 'succeeded' WHERE id = {topup}",
        "finished_topup_rests_on_an_answer",
    ),
    "a top-up that failed by nobody's word": (
        "UPDATE orders_topup SET status = 'failed', finished_at = now() WHERE id = {topup}",
        "finished_topup_rests_on_an_answer",
    ),
    "a decision on a top-up that rests on nothing": (
        "UPDATE orders_topup SET status = 'failed', finished_at = now(), decided_by_id = {operator} WHERE id = {topup}",
        "decision_on_a_topup_names_its_proof",
    ),
    "a top-up with a person though it has ended": (
        "UPDATE orders_topup SET status = 'stopped', person_due_at = now() WHERE id = {topup}",
        "topup_with_a_person_is_moving",
    ),
    "a top-up stopped after it was sent": (
        "UPDATE orders_topup SET status = 'stopped', first_sent_at = now() WHERE id = {topup}",
        "stopped_topup_was_never_sent",
    ),
    "two top-ups of one line": (another("orders.TopUp", topup_no="'T2'"), "orders_topup_line"),
    "two top-ups under one number": (another("orders.TopUp", line_id="{work}"), "orders_topup_topup_no"),
    "an invented status of a service": (
        "UPDATE orders_servicejob SET status = 'maybe' WHERE id = {job}",
        "service_status_is_listed",
    ),
    "more than all of the work": (
        "UPDATE orders_servicejob SET percent_done = 101 WHERE id = {job}",
        "service_percent_is_a_share",
    ),
    "a report about nothing": (another("orders.ServiceReport", text="''"), "service_report_says_something"),
    # cancellation
    "an invented cause": (another("orders.Cancellation", cause="'mood'"), "cancellation_cause_is_listed"),
    "a cancellation that nobody hears of": (
        "UPDATE orders_cancellation SET next_due_at = NULL WHERE id = {canceled}",
        "unheard_cancellation_is_due",
    ),
    "less given back than was said": (
        "UPDATE orders_cancellation SET refund_fen = 1 WHERE id = {canceled}",
        "Cannot update",
    ),
    "another penalty than was said": (
        "UPDATE orders_cancellation SET penalty_fen = 1 WHERE id = {canceled}",
        "Cannot update",
    ),
    "a penalty that nobody owes": (
        "UPDATE orders_cancellation SET penalty_due_at = now() WHERE id = {canceled}",
        "penalty_is_due_or_paid",
    ),
    "a penalty paid by nothing": (
        another("orders.Cancellation", penalty_fen="5", penalty_paid_at="now()"),
        "0 fen are posted, not 5",
    ),
    # compensation: the rest in test_compensating.py
    "a compensation of nothing": (another("orders.Compensation", amount_fen="0"), "compensation_is_positive"),
    "a compensation for nothing": (another("orders.Compensation", reason="''"), "compensation_says_why"),
    "a compensation checked by who made it": (
        "UPDATE orders_compensation SET checked_by_id = made_by_id WHERE id = {large}",
        "compensation_is_checked_by_another",
    ),
    "a compensation checked by its buyer": (
        "UPDATE orders_compensation SET checked_by_id = buyer_id WHERE id = {large}",
        "compensation_is_nobodys_own",
    ),
    "a compensation refused by nobody": (
        "UPDATE orders_compensation SET refused_at = now() WHERE id = {large}",
        "refused_compensation_names_who",
    ),
    "a large compensation that nobody checked": (
        POSTED + "UPDATE orders_compensation SET paid_at = now()",
        "large_compensation_is_checked",
    ),
    "a compensation paid and refused": (
        POSTED + "UPDATE orders_compensation SET paid_at = now(), refused_at = now(), checked_by_id = {operator}",
        "compensation_is_paid_or_refused",
    ),
    "a line canceled twice": (another("orders.CancellationLine"), "orders_cancellationline_line"),
    "a bulk about a shop and a product": (
        "UPDATE orders_bulkcancellation SET product_id = {product} WHERE id = {bulk}",
        "bulk_cancellation_is_about_a_shop_or_a_product",
    ),
    "a bulk that nobody goes on with": (
        "UPDATE orders_bulkcancellation SET status = 'running' WHERE id = {bulk}",
        "running_bulk_cancellation_is_due",
    ),
    "a bulk that nobody started": (
        "UPDATE orders_bulkcancellation SET started_at = created_at WHERE id = {bulk}",
        "started_bulk_cancellation_names_who",
    ),
    # what is said
    "a message that says nothing": (another("orders.OrderMessage", text="''"), "order_message_says_something"),
    "a call that nobody made": (
        another("orders.OrderMessage", side="'platform'", called_at="at"),
        "call_note_is_the_platforms",
    ),
    "a call at no time": (
        another("orders.OrderMessage", side="'platform'", call="'to_buyer'"),
        "call_note_is_the_platforms",
    ),
    "a call noted by the buyer": (
        another("orders.OrderMessage", call="'to_buyer'", called_at="at"),
        "call_note_is_the_platforms",
    ),
    "a call of tomorrow": (
        another("orders.OrderMessage", side="'platform'", call="'to_buyer'", called_at="at + interval '1 day'"),
        "call_note_is_the_platforms",
    ),
    "six stars": ("UPDATE orders_review SET stars = 6", "review_has_one_to_five_stars"),
    "hidden without a reason": ("UPDATE orders_review SET is_hidden = true", "hidden_review_says_why"),
    "two reviews of one order": (another("orders.Review"), "orders_review_order"),
    "an announcement that ends before it starts": (
        "UPDATE orders_announcement SET ends_at = starts_at",
        "announcement_ends_after_it_starts",
    ),
    "an announcement of the year 1": (
        "UPDATE orders_announcement SET starts_at = '0001-01-01T00:00+08'",
        "announcement_has_dates_that_can_be_shown",
    ),
    "an announcement for ever": (
        "UPDATE orders_announcement SET ends_at = 'infinity'",
        "announcement_has_dates_that_can_be_shown",
    ),
    "an announcement that leads to another site": (
        "UPDATE orders_announcement SET path = 'https://evil'",
        "announcement_stays_on_our_site",
    ),
}


def test_every_attack_is_refused_by_name(books):
    attacks.check(ATTACKS, books)


def test_every_rule_is_attacked():
    attacks.check_all_are_tried(ATTACKS, "orders")


def test_what_is_written_once_never_changes(books):
    """I7."""
    attacks.check_append_only("orders")


def test_what_has_a_history_is_never_deleted(books):
    """PM6."""
    attacks.check_never_deleted("orders")


def test_damage_to_orders_is_noticed(books):
    """I4, I8, I9: with the guards off, whatever was done to an order is named."""
    kept = books["kept_code"]
    damage = {
        "ALTER TABLE orders_order DROP CONSTRAINT undelivered_order_is_due;"
        " UPDATE orders_order SET next_due_at = NULL WHERE id = {paid}": [
            "I4: {paid_no}: paid, and nobody comes back to it",
        ],
        "UPDATE orders_servicejob SET status = 'stopped' WHERE id = {job}": [
            "I4: {paid_no}: line 1: nobody is at it",
        ],
        "DELETE FROM orders_servicejob WHERE id = {job}": ["I4: {paid_no}: line 1: nobody is at it"],
        "UPDATE orders_order SET status = 'completed' WHERE id = {paid}": [
            "I4: {paid_no}: line 1: not delivered, yet the order is completed",
            "I8: order {paid_no}: is completed, its events say paid",
        ],
        "UPDATE orders_cancellationline SET line_id = {line}": ["I4: {done_no}: line 1: delivered and canceled"],
        "DELETE FROM orders_orderevent WHERE order_id = {done}": [
            "I8: order {done_no}: is delivered, its events say nothing"
        ],
        "UPDATE orders_orderevent SET note = 'x' WHERE order_id = {done}": [
            "I7: order {done_no}: event 1 has other personal details than were written",
        ],
        "UPDATE orders_reservation SET released_at = now() WHERE line_id = {waiting}": [
            f"I9: code {kept}: reserved for nobody",
        ],
        "UPDATE shops_cardcode SET state = 'in_stock' WHERE id = {kept}": [
            f"I9: code {kept}: kept for order line {{waiting}}, but in_stock",
        ],
        "UPDATE orders_delivery SET code_id = {kept} WHERE line_id = {line}": [
            "I9: order line {line}: code",
            f"I9: code {kept}: handed over, but still in stock",
        ],
    }
    with attacks.damaged("DELETE FROM orders_topup WHERE id = {topup}".format(**books)):
        assert invariants.broken() == []
        for sql, names in damage.items():
            with attacks.damaged(sql.format(**books)):
                found = invariants.broken()
            for name in names:
                assert any(line.startswith(name.format(**books)) for line in found), (sql, found)
