"""SQL against every rule about tickets and complaints: the database itself refuses, whoever asks."""

from __future__ import annotations

import pytest

import clock
from support import complaints, tickets
from tests import attacks
from tests.attacks import another

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(open_ticket, complain, buy, reviewed, image, buyer, merchant, reviewer, senior, operator):
    """A ticket that waits, one answered, one reopened; a complaint in each status, one that extends a review."""
    at = clock.now()
    waiting, answered, again = open_ticket(images=[image]), open_ticket(), open_ticket()
    tickets.answer(answered, "好", by=reviewer, at=at)
    tickets.close(again, "好", by=reviewer, at=at)
    tickets.reopen(again, "没好", by=buyer, at=at)
    opened = complain(buy(), images=[image])
    refund = reviewed()
    looked = complain(refund.order, investigator=senior)
    complaints.answer(looked, "没有的事", by=merchant, at=at)
    complaints.extend_review(looked, hours=24, reason="核实", by=senior, at=at)
    ended = complain(buy(), investigator=senior)
    complaints.uphold(ended, reason="属实", by=senior, at=at)
    from shops.models import Shop

    return {
        "waiting": waiting.pk, "answered": answered.pk, "again": again.pk, "opened": opened.pk, "looked": looked.pk,
        "ended": ended.pk, "buyer": buyer.pk, "merchant": merchant.pk, "senior": senior.pk, "refund": refund.pk,
        "other_shop": Shop.objects.create(name="另一家店", created_at=at).pk,
    }  # fmt: skip


TICKET = "UPDATE support_ticket SET"
ABOUT = "UPDATE support_shopcomplaint SET"
ATTACKS = {
    # tickets
    "an invented status": (f"{TICKET} status = 'maybe' WHERE id = {{waiting}}", "ticket_status_is_listed"),
    "an invented topic": (f"{TICKET} topic = 'love' WHERE id = {{waiting}}", "ticket_topic_is_listed"),
    "an invented tier": (f"{TICKET} tier = 'god' WHERE id = {{waiting}}", "ticket_tier_is_listed"),
    "a ticket that nobody comes back to (I4)": (
        f"{TICKET} next_due_at = NULL WHERE id = {{answered}}",
        "open_ticket_is_due",
    ),
    "a question without a promise": (
        f"{TICKET} promised_by = NULL WHERE id = {{waiting}}",
        "waiting_ticket_has_a_promise",
    ),
    "closed without a word": (
        f"{TICKET} status = 'closed', next_due_at = NULL, closed_at = now() WHERE id = {{answered}}",
        "closed_ticket_says_when_and_why",
    ),
    "closed at no time": (
        f"{TICKET} status = 'closed', next_due_at = NULL, closing_words = 'x' WHERE id = {{answered}}",
        "closed_ticket_says_when_and_why",
    ),
    "one's own agent": (
        f"{TICKET} agent_id = buyer_id WHERE id = {{waiting}}",
        "nobody_is_agent_of_their_own_ticket",
    ),
    "a ticket that never was": ("DELETE FROM support_ticket WHERE id = {waiting}", "Cannot delete"),
    "a ticket of somebody else": (f"{TICKET} buyer_id = {{merchant}} WHERE id = {{waiting}}", "Cannot update"),
    "a ticket reopened twice": (
        f"{TICKET} reopened_at = reopened_at + interval '1 day' WHERE id = {{again}}",
        "Cannot update",
    ),
    "a message that says nothing": (another("support.TicketMessage", text="''"), "ticket_message_says_something"),
    "an agent's words by nobody": (
        another("support.TicketMessage", voice="'agent'", author_id="NULL"),
        "only_the_assistant_has_no_author",
    ),
    "the assistant's words by somebody": (
        another("support.TicketMessage", voice="'assistant'"),
        "only_the_assistant_has_no_author",
    ),
    "an invented voice": (another("support.TicketMessage", voice="'god'"), "only_the_assistant_has_no_author"),
    "a picture of nothing": (
        another("support.Picture", ticket_id="NULL", complaint_id="NULL"),
        "picture_is_of_a_ticket_or_a_complaint",
    ),
    "a picture of both": (
        another("support.Picture", ticket_id="{waiting}", complaint_id="{opened}"),
        "picture_is_of_a_ticket_or_a_complaint",
    ),
    # complaints
    "an invented end": (f"{ABOUT} status = 'maybe' WHERE id = {{looked}}", "complaint_status_is_listed"),
    "a complaint about a mood": (
        another("support.ShopComplaint", "id = {ended}", complaint_no="'C1'", causes="ARRAY['mood']"),
        "complaint_causes_are_listed",
    ),
    "a complaint about nothing": (
        another("support.ShopComplaint", "id = {ended}", complaint_no="'C1'", causes="ARRAY[]::varchar[]"),
        "complaint_causes_are_listed",
    ),
    "a complaint without words": (
        another("support.ShopComplaint", "id = {ended}", complaint_no="'C1'", text="''"),
        "complaint_says_what_happened",
    ),
    "a complaint with an agent": (f"{ABOUT} tier = 'agent' WHERE id = {{opened}}", "complaint_goes_up_from_seniors"),
    "a complaint that nobody comes back to (I4)": (
        f"{ABOUT} next_due_at = NULL WHERE id = {{opened}}",
        "open_complaint_is_due",
    ),
    "looked into by nobody": (
        f"{ABOUT} status = 'investigating' WHERE id = {{opened}}",
        "complaint_beyond_open_has_an_investigator",
    ),
    "looked into by who complains": (
        f"{ABOUT} investigator_id = buyer_id, investigated_at = now() WHERE id = {{opened}}",
        "nobody_investigates_their_own_complaint",
    ),
    "looked into by the shop (I10)": (
        f"{ABOUT} investigator_id = {{merchant}} WHERE id = {{opened}}",
        "investigator_belongs_to_the_shop",
    ),
    "decided without a reason": (
        f"{ABOUT} status = 'upheld', decided_at = now(), next_due_at = NULL, promised_by = NULL WHERE id = {{looked}}",
        "decided_complaint_says_why",
    ),
    "an answer of nobody": (f"{ABOUT} shop_answer = 'x' WHERE id = {{opened}}", "shops_answer_names_who"),
    "an answer taken back": (f"{ABOUT} shop_answer = 'x' WHERE id = {{looked}}", "Cannot update"),
    "a longer review without a reason (S2-17)": (
        f"{ABOUT} extends_review_hours = 9 WHERE id = {{opened}}",
        "longer_review_has_a_reason",
    ),
    "a longer review without end": (
        f"{ABOUT} extends_review_hours = 721, extends_review_reason = 'x', extended_by_id = {{senior}},"
        " extended_at = now() WHERE id = {opened}",
        "longer_review_has_a_reason",
    ),
    "an even longer one": (f"{ABOUT} extends_review_hours = 48 WHERE id = {{looked}}", "Cannot update"),
    "a longer review of another order": (
        f"{ABOUT} refund_id = {{refund}} WHERE id = {{opened}}",
        "longer_review_is_of_the_same_order",
    ),
    "two at once on one order": (
        another("support.ShopComplaint", "id = {opened}", complaint_no="'C1'"),
        "one_open_complaint_per_order",
    ),
    "about a shop that did not sell it": (
        another("support.ShopComplaint", "id = {ended}", complaint_no="'C1'", shop_id="{other_shop}"),
        "complaint_is_about_its_orders_shop",
    ),
    "other words than were said": (f"{ABOUT} text = 'x' WHERE id = {{opened}}", "Cannot update"),
    "decided the other way": (f"{ABOUT} status = 'dismissed' WHERE id = {{ended}}", "Cannot update"),
    "another reason afterwards": (f"{ABOUT} reason = 'x' WHERE id = {{ended}}", "Cannot update"),
    "a complaint that never was": ("DELETE FROM support_shopcomplaint WHERE id = {opened}", "Cannot delete"),
}


def test_every_attack_is_refused_by_name(books):
    attacks.check(ATTACKS, books)


def test_every_rule_is_attacked():
    attacks.check_all_are_tried(ATTACKS, "support")


def test_what_is_written_once_never_changes(books):
    """I7: messages, steps and pictures."""
    attacks.check_append_only("support")


def test_what_has_a_history_is_never_deleted(books):
    """PM6."""
    attacks.check_never_deleted("support")
