"""SQL against every rule about shops, goods, stock and suppliers: the database itself refuses, whoever asks."""

from __future__ import annotations

import uuid

import pytest

import clock
from cardshop import invariants
from shops import deposits, policies, stock
from shops.models import (
    ApplicationDocument,
    ApplicationStatus,
    CardCode,
    CodeEvent,
    Coupon,
    GuaranteeTerms,
    ShopApplication,
    ShopEvent,
    StagedCode,
    StockImport,
    Supplier,
    SupplierAnswer,
)
from tests import attacks
from tests.attacks import another
from tests.cast import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(shop, merchant, operator, make_product):
    """One row of everything; codes in stock and taken out of it."""
    at = clock.now()
    product = make_product(stock=3)
    codes = list(CardCode.objects.filter(product=product).order_by("pk"))
    stock.take_out(CardCode.objects.filter(pk=codes[2].pk), by=merchant, at=at)
    applicant = person("applicant", "buyer")
    papers = ShopApplication.objects.create(
        applicant=applicant, name="新店", goods="点卡", contact="x", submitted_at=at
    )
    decided = ShopApplication.objects.create(
        applicant=merchant, name="旧店", goods="点卡", contact="x", submitted_at=at, status=ApplicationStatus.REJECTED,
        decided_by=operator, decided_at=at,
    )  # fmt: skip
    ApplicationDocument.objects.create(application=papers, title="执照", image="x", content_type="x", created_at=at)
    ShopEvent.objects.create(shop=shop, step="open", to_status="open", actor=operator, at=at)
    cashier = person("cashier", "finance")
    deposits.record(shop, amount_fen=100, voucher="V1", note="", by=cashier, at=at)
    done = deposits.ask_back(shop, amount_fen=1, note="多缴", by=cashier, at=at)
    deposits.pay_back(done, voucher="V0", by=person("other_cashier", "finance"), at=at)
    asked = deposits.ask_back(shop, amount_fen=10, note="退出", by=cashier, at=at)
    coupon = Coupon.objects.create(
        shop=shop, code="NEW", kind="fixed", off_fen=100, starts_at=at, ends_at=at.replace(year=at.year + 1),
        most_uses=5,
    )  # fmt: skip
    supplier = Supplier.objects.create(code="issuer", name="发卡方", created_at=at)
    SupplierAnswer.objects.create(
        supplier=supplier, about="code:1", state="unused", body="{}", timestamp="1", nonce="n", signature="s", at=at,
        public_key_digest="d",
    )  # fmt: skip
    batch = StockImport.objects.create(
        product=product, uploaded_by=merchant, file_name="x.csv", uploaded_at=at, next_due_at=at
    )
    StagedCode.objects.create(stock_import=batch, line_number=1, sealed=b"x", key_id="k", fingerprint=bytes(32))
    GuaranteeTerms.objects.get_or_create(version=1, defaults={"published_at": at})
    return {
        "policy": product.policy_id,
        "draft": policies.new_draft(product.policy.code, by=operator).pk,
        "operator": operator.pk,
        "shop": shop.pk,
        "product": product.pk,
        "code": f"'{codes[0].pk}'",
        "other_code": f"'{codes[1].pk}'",
        "quarantined": f"'{codes[2].pk}'",
        "papers": papers.pk,
        "decided": decided.pk,
        "coupon": coupon.pk,
        "batch": batch.pk,
        "merchant": merchant.pk,
        "cashier": cashier.pk,
        "asked": asked.pk,
        "done": done.pk,
        "uuid": f"'{uuid.uuid4()}'",
        "event": CodeEvent.objects.filter(code=codes[0]).get().pk,
    }


CODE = "shops_cardcode"
RETURN, PAID_IN = "shops_depositreturn", "amount_fen > 0"
RETURNED = {"amount_fen": "-10", "voucher": "'V9'", "of_return_id": "{asked}"}
ATTACKS = {
    # shops
    "an invented state of a shop": ("UPDATE shops_shop SET status = 'gone' WHERE id = {shop}", "shop_status_is_listed"),
    "the same person twice in a shop": (
        # The join table that this was before has a rule of its own, which would speak first.
        "ALTER TABLE shops_shop_members DROP CONSTRAINT IF EXISTS shops_shop_members_shop_id_user_id_96e826cd_uniq; "
        + another("shops.ShopMember"),
        "one_membership_per_shop_and_user",
    ),
    "an invented job in a shop": ("UPDATE shops_shop_members SET role = 'king'", "shop_role_is_listed"),
    "two open applications": (
        another("shops.ShopApplication", "id = {papers}"),
        "one_open_application_per_applicant",
    ),
    "approved without a shop": (
        "UPDATE shops_shopapplication SET status = 'approved' WHERE id = {decided}",
        "approved_application_has_its_shop",
    ),
    "decided by nobody": (
        "UPDATE shops_shopapplication SET status = 'rejected' WHERE id = {papers}",
        "decided_application_says_by_whom",
    ),
    "a deposit of nothing": (
        another("shops.DepositEntry", PAID_IN, amount_fen="0", voucher="'V2'"),
        "deposit_entry_moves_money",
    ),
    "a deposit that is in no ledger": (another("shops.DepositEntry", PAID_IN, voucher="'V9'"), "deposit_is_posted"),
    "a deposit booked twice": (another("shops.DepositEntry", PAID_IN), "deposit_voucher_is_booked_once"),
    "one voucher for two shops": (
        'INSERT INTO shops_shop SELECT (jsonb_populate_record(s, \'{{"id": 999999, "name": "another"}}\')).* FROM'
        " shops_shop s WHERE id = {shop}; " + another("shops.DepositEntry", PAID_IN, shop_id="999999"),
        "voucher_serves_one_deposit",
    ),
    "a deposit that comes in as a return": (
        another("shops.DepositEntry", PAID_IN, voucher="'V9'", of_return_id="{asked}"),
        "only_what_leaves_is_a_return",
    ),
    "a deposit that leaves unasked": (
        another("shops.DepositEntry", PAID_IN, amount_fen="-1", voucher="'V9'"),
        "deposit_leaves_by_two_people",
    ),
    "a deposit that who asked for it pays back": (
        another("shops.DepositEntry", PAID_IN, **RETURNED, recorded_by_id="{cashier}"),
        "deposit_leaves_by_two_people",
    ),
    "more of a deposit than was asked for": (
        another("shops.DepositEntry", PAID_IN, **RETURNED | {"amount_fen": "-11"}, recorded_by_id="{operator}"),
        "deposit_leaves_by_two_people",
    ),
    "a deposit paid back a second time": (
        another("shops.DepositEntry", PAID_IN, **RETURNED | {"of_return_id": "{done}", "amount_fen": "-1"}),
        "deposit_leaves_by_two_people",
    ),
    "a deposit paid back while money is stopped": (
        "INSERT INTO payments_outgoingswitch (is_stopped, by_id, reason, at) VALUES (true, {operator}, 'x', now());"
        + another("shops.DepositEntry", PAID_IN, **RETURNED, recorded_by_id="{operator}"),
        "deposit_waits_while_money_is_stopped",
    ),
    "a return of nothing": (
        another("shops.DepositReturn", "id = {asked}", amount_fen="0"),
        "deposit_return_is_of_something",
    ),
    "a return of an invented status": (
        another("shops.DepositReturn", "id = {done}", status="'gone'"),
        "deposit_return_status_is_listed",
    ),
    "a return that is paid on paper": (
        f"UPDATE {RETURN} SET status = 'paid', due_at = NULL, ended_at = now(), ended_by_id = {{operator}}"
        " WHERE id = {asked}",
        "paid_deposit_return_is_booked",
    ),
    "a return that who asked pays": (
        f"ALTER TABLE {RETURN} DISABLE TRIGGER USER; UPDATE {RETURN} SET status = 'paid', due_at = NULL,"
        " ended_at = now(), ended_by_id = asked_by_id WHERE id = {asked}",
        "deposit_return_is_paid_by_another",
    ),
    "a return that nobody sees to": (
        f"UPDATE {RETURN} SET due_at = NULL WHERE id = {{asked}}",
        "asked_deposit_return_is_due",
    ),
    "a return dropped for no reason": (
        f"UPDATE {RETURN} SET status = 'dropped', due_at = NULL, ended_at = now() WHERE id = {{asked}}",
        "dropped_deposit_return_says_why",
    ),
    "two open returns of a shop": (
        another("shops.DepositReturn", "id = {asked}"),
        "one_open_deposit_return_per_shop",
    ),
    "a return that becomes more": (f"UPDATE {RETURN} SET amount_fen = 99 WHERE id = {{asked}}", "Cannot update"),
    "a return that comes back": (
        f"UPDATE {RETURN} SET status = 'asked', due_at = now(), ended_at = NULL, ended_by_id = NULL"
        " WHERE id = {done}",
        "Cannot update",
    ),
    "a badge for more than all": (
        another("shops.GuaranteeTerms", version="999", in_time_percent="101"),
        "guarantee_percents_are_shares",
    ),
    # goods
    "a product for nothing": (
        "UPDATE shops_product SET price_fen = 0 WHERE id = {product}",
        "product_price_is_in_range",
    ),
    "a top-up by nobody": (
        "UPDATE shops_product SET fulfilment = 'top_up' WHERE id = {product}",
        "top_up_has_supplier_and_recipient",
    ),
    "a service from stock": (
        "UPDATE shops_product SET kind = 'service' WHERE id = {product}",
        "service_is_handed_over_by_people",
    ),
    "two policies under one number": (another("shops.RefundPolicy", "id = {policy}"), "policy_version_is_unique"),
    "two drafts of one policy": (
        another("shops.RefundPolicy", "id = {draft}", version="999"),
        "one_draft_per_policy",
    ),
    "a fee of more than half": (
        "UPDATE shops_refundpolicy SET fee_percent = 51 WHERE id = {draft}",
        "policy_fees_are_shares",
    ),
    "a balance fee of more than half": (
        "UPDATE shops_refundpolicy SET balance_fee_percent = 51 WHERE id = {draft}",
        "policy_fees_are_shares",
    ),
    "two fees that are more than half": (
        "UPDATE shops_refundpolicy SET fee_percent = 30, balance_fee_percent = 21 WHERE id = {draft}",
        "policy_fees_are_shares",
    ),
    "a draft that somebody published": (
        "UPDATE shops_refundpolicy SET published_by_id = {operator} WHERE id = {draft}",
        "draft_is_published_by_nobody",
    ),
    "a draft with the reason why it was published": (
        "UPDATE shops_refundpolicy SET publish_reason = 'x' WHERE id = {draft}",
        "draft_is_published_by_nobody",
    ),
    "other terms of a published policy (I8)": (
        "UPDATE shops_refundpolicy SET window_days = 0 WHERE id = {policy}",
        "Cannot update",
    ),
    "a published policy made a draft again": (
        "UPDATE shops_refundpolicy SET published_at = NULL WHERE id = {policy}",
        "Cannot update",
    ),
    "a published policy deleted": ("DELETE FROM shops_refundpolicy WHERE id = {policy}", "or delete rows"),
    "a product put under a draft": (
        "UPDATE shops_product SET policy_id = {draft} WHERE id = {product}",
        "is not published",
    ),
    "a product made under a draft": (another("shops.Product", policy_id="{draft}"), "is not published"),
    "two coupons of one code": (another("shops.Coupon"), "coupon_code_is_unique_in_its_shop"),
    "a coupon for a sum and a share": (
        "UPDATE shops_coupon SET off_percent = 10 WHERE id = {coupon}",
        "coupon_takes_a_sum_or_a_share",
    ),
    "a coupon that ends before it starts": (
        "UPDATE shops_coupon SET ends_at = starts_at WHERE id = {coupon}",
        "coupon_ends_after_it_starts",
    ),
    "a coupon of the year 1": (
        "UPDATE shops_coupon SET starts_at = '0001-01-01T00:00+08' WHERE id = {coupon}",
        "coupon_has_dates_that_can_be_shown",
    ),
    "a coupon for ever": (
        "UPDATE shops_coupon SET ends_at = 'infinity' WHERE id = {coupon}",
        "coupon_has_dates_that_can_be_shown",
    ),
    # stock
    "one text in two rows (P13)": (another("shops.CardCode", "id = {code}"), "code_text_is_unique"),
    "a code in stock that was restocked": (
        f"UPDATE {CODE} SET restocked_as_id = {{other_code}} WHERE id = {{code}}",
        "only_quarantine_is_restocked",
    ),
    "a code restocked twice": (
        f"UPDATE {CODE} SET restocked_as_id = {{other_code}}, state = 'quarantined'",
        f"{CODE}_restocked_as",
    ),
    "an invented state": (f"UPDATE {CODE} SET state = 'lost' WHERE id = {{code}}", "code_state_is_listed"),
    "seen at no time": (
        f"UPDATE {CODE} SET state = 'revealed', delivered_at = now() WHERE id = {{code}}",
        "revealed_code_is_revealed_or_void",
    ),
    "in stock, and handed over": (
        f"UPDATE {CODE} SET delivered_at = now() WHERE id = {{code}}",
        "undelivered_code_has_no_delivery",
    ),
    "seen before it was handed over": (
        f"UPDATE {CODE} SET state = 'revealed', delivered_at = now(), revealed_at = now() - interval '1 hour'"
        " WHERE id = {code}",
        "code_is_revealed_after_delivery",
    ),
    "two events with one number": (another("shops.CodeEvent", "id = {event}"), "code_events_are_numbered"),
    "an invented state of an import": (
        "UPDATE shops_stockimport SET status = 'gone' WHERE id = {batch}",
        "import_status_is_listed",
    ),
    "an import that nobody comes back to": (
        "UPDATE shops_stockimport SET next_due_at = NULL WHERE id = {batch}",
        "working_import_is_due",
    ),
    "a line read twice": (another("shops.StagedCode"), "staged_line_is_unique"),
    "a bad line that keeps its text": (
        "UPDATE shops_stagedcode SET problem = 'too_long'",
        "staged_line_is_sealed_or_has_a_problem",
    ),
    # suppliers
    "an answer that nobody signed": (another("shops.SupplierAnswer", signature="''"), "supplier_answer_is_signed"),
    "two suppliers of one name": (another("shops.Supplier"), "shops_supplier_code"),
}


def test_every_attack_is_refused_by_name(books):
    """P13, I9: the rules of stock hold whoever writes."""
    attacks.check(ATTACKS, books)
    assert invariants.broken() == []


def test_every_rule_is_attacked():
    attacks.check_all_are_tried(ATTACKS, "shops")


def test_what_is_written_once_never_changes(books):
    """I7."""
    attacks.check_append_only("shops")


def test_what_has_a_history_is_never_deleted(books):
    """PM6."""
    attacks.check_never_deleted("shops")


def test_damage_to_stock_is_noticed(books):
    """I7, I8, I9: with the guards off, whatever was done to a code or to its record is named."""
    code = books["code"].strip("'")
    damage = {
        f"UPDATE {CODE} SET state = 'reserved' WHERE id = {{code}}": [
            f"I8: code {code}: is reserved, its events say in_stock",
            f"I9: code {code}: reserved for nobody",
        ],
        f"UPDATE {CODE} SET state = 'delivered', delivered_at = now() WHERE id = {{code}}": [
            f"I9: code {code}: delivered, but handed to nobody",
        ],
        "UPDATE shops_codeevent SET kind = 'reveal' WHERE id = {event}": [
            f"I7: code {code}: event 1 was changed after it was written",
            f"I9: code {code}: event 1 reveal: nothing → in_stock",
        ],
        "UPDATE shops_codeevent SET to_state = 'void' WHERE id = {event}": [
            f"I8: code {code}: is in_stock, its events say void",
        ],
        "DELETE FROM shops_codeevent WHERE id = {event}": [f"I8: code {code}: is in_stock, its events say nothing"],
        "ALTER TABLE shops_codeevent DISABLE TRIGGER USER": ["I7: shops_codeevent: trigger"],
        "ALTER TABLE shops_cardcode DISABLE TRIGGER USER": ["I7: shops_cardcode: trigger code_is_never_deleted"],
    }
    for sql, names in damage.items():
        with attacks.damaged(sql.format(**books)):
            found = invariants.broken()
        for name in names:
            assert any(line.startswith(name) for line in found), (sql, found)
    assert invariants.broken() == []


def test_a_look_behind_a_freeze_is_noticed(buy, apply, stranger):
    """I9: whoever writes a reveal into the record of a frozen code, well linked and all, is found by the table."""
    from records import chain

    order = buy(price_fen=3000)
    apply(order, precheck=False)
    code = order.lines.get().delivery.code
    at = clock.now()
    assert code.state == "frozen"
    look = CodeEvent(code=code, kind="reveal", to_state="revealed", actor=order.buyer, at=at)
    chain.append([look])
    found = invariants.broken()
    assert f"I9: code {code.pk}: event {look.sequence} reveal: frozen → revealed" in found
    assert not [line for line in found if line.startswith("I7")]
