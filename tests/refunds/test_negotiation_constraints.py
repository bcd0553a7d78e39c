"""SQL against what was offered, appealed, asked, objected and signed: an agreement is both sides' word, as it was
given, and money shrinks or turns only with one (I7, I12, I13, P18)."""

from __future__ import annotations

import pytest

from cardshop import invariants
from refunds.models import Consultation, Objection, Offer, RedirectAgreement
from tests import attacks
from tests.attacks import another
from tests.cases import negotiated

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(house):
    cases = negotiated(house)
    return {name: case.pk for name, case in cases.items()} | {
        "stranger": house.stranger.pk,
        "buyer": house.buyer.pk,
        "line": cases["offered"].lines.get().pk,
        "accepted_line": cases["accepted"].lines.get().pk,
        "maker": Offer.objects.get(refund=cases["offered"]).made_by_id,
        "asked": Consultation.objects.filter(answer="").get().pk,
        "answered": Consultation.objects.exclude(answer="").get().pk,
        "signer": RedirectAgreement.objects.filter(confirmed_at=None).get().signed_by_id,
    }


REFUND, LINE, OFFER = "refunds_refund", "refunds_refundline", "refunds_offer"
APPEAL, OBJECTION, CONSULTATION = "refunds_appeal", "refunds_objection", "refunds_consultation"
REDIRECT = "refunds_redirectagreement"
NEVER = "Cannot update"
SHRINK = "; UPDATE refunds_refundline SET amount_fen = 1 WHERE refund_id = {{{0}}}"


def less(case: str, status: str = "") -> str:
    """The case is about a fen from now on, and so is its line."""
    moved = f", status = '{status}'" if status else ""
    return f"UPDATE {REFUND} SET amount_fen = 1, fee_fen = 0{moved} WHERE id = {{{case}}}" + SHRINK.format(case)


ATTACKS = {
    # 协商
    "a second offer beside an open one": (
        another("refunds.Offer", "refund_id = {offered} AND answer = ''"), "one_open_offer_per_refund",
    ),
    "an offer of nothing": (
        another("refunds.Offer", "refund_id = {offered}", refund_id="{consulted}", amount_fen="0"),
        "offer_is_money_or_a_code",
    ),
    "an offer of money without a sum": (
        another("refunds.Offer", "refund_id = {offered}", refund_id="{consulted}", amount_fen="NULL"),
        "offer_is_money_or_a_code",
    ),
    "a code and money": (
        another("refunds.Offer", "refund_id = {offered}", refund_id="{consulted}", kind="'replacement'"),
        "offer_is_money_or_a_code",
    ),
    "an answer that is none": (
        f"UPDATE {OFFER} SET answer = 'perhaps', answered_at = now() WHERE refund_id = {{offered}}",
        "offer_answer_is_listed",
    ),
    "accepted at no time": (
        f"UPDATE {OFFER} SET answer = 'accepted' WHERE refund_id = {{offered}}", "answered_offer_says_when",
    ),
    "confirmed by who made it": (
        f"UPDATE {OFFER} SET confirmed_by_id = {{maker}}, confirmed_at = now() WHERE refund_id = {{offered}}",
        "offer_is_not_confirmed_by_its_maker",
    ),
    "another sum under an offer": (f"UPDATE {OFFER} SET amount_fen = 1 WHERE refund_id = {{offered}}", NEVER),
    "another sum under what was accepted": (f"UPDATE {OFFER} SET amount_fen = 1 WHERE refund_id = {{accepted}}", NEVER),
    "a yes that becomes a no": (f"UPDATE {OFFER} SET answer = 'declined' WHERE refund_id = {{accepted}}", NEVER),
    "a yes that is taken away": (f"UPDATE {OFFER} SET answer = '' WHERE refund_id = {{accepted}}", NEVER),
    "another second person": (
        f"UPDATE {OFFER} SET confirmed_by_id = {{stranger}} WHERE refund_id = {{proposed}}", NEVER,
    ),
    "other words than the buyer read": (f"UPDATE {OFFER} SET note = 'x' WHERE refund_id = {{accepted}}", NEVER),
    "an offer that never was": (f"DELETE FROM {OFFER} WHERE refund_id = {{accepted}}", "Cannot delete"),
    # the sum
    "less money without an offer": (less("consulted"), NEVER),
    "less money, the offer not answered": (less("offered"), NEVER),
    "less money than was accepted": (less("accepted"), NEVER),
    "less money as a decision": (less("appealed", "approved"), NEVER),
    "more money": (f"UPDATE {REFUND} SET amount_fen = amount_fen + 1 WHERE id = {{offered}}", NEVER),
    "a fee afterwards": (f"UPDATE {REFUND} SET fee_fen = 1 WHERE id = {{accepted}}", NEVER),
    "a smaller line": (f"UPDATE {LINE} SET amount_fen = 1 WHERE id = {{line}}", NEVER),
    "a smaller line after the agreement": (f"UPDATE {LINE} SET amount_fen = 1 WHERE id = {{accepted_line}}", NEVER),
    "a larger line": (f"UPDATE {LINE} SET amount_fen = amount_fen + 1 WHERE id = {{accepted_line}}", NEVER),
    "another case's line": (f"UPDATE {LINE} SET refund_id = {{offered}} WHERE id = {{accepted_line}}", NEVER),
    "a line that goes": (f"DELETE FROM {LINE} WHERE id = {{line}}", "Cannot delete"),
    "accepted, but of another sum": (
        f"UPDATE {OFFER} SET answer = 'accepted', answered_at = now() WHERE refund_id = {{offered}};"
        f" UPDATE {REFUND} SET amount_fen = 1, fee_fen = 0 WHERE id = {{offered}}",
        NEVER,
    ),
    "accepted, the lines as they were": (
        f"UPDATE {OFFER} SET answer = 'accepted', answered_at = now() WHERE refund_id = {{offered}};"
        f" UPDATE {REFUND} SET (amount_fen, held_fen, fee_fen) = (SELECT amount_fen, amount_fen, 0 FROM {OFFER}"
        " WHERE refund_id = {offered}) WHERE id = {offered}",
        "sum",
    ),
    "accepted, the case as it was": (
        f"UPDATE {OFFER} SET answer = 'accepted', answered_at = now() WHERE refund_id = {{offered}};"
        f" UPDATE {LINE} SET amount_fen = 1 WHERE id = {{line}}",
        "do not sum to it",
    ),
    # 申诉
    "a second appeal": (another("refunds.Appeal", "refund_id = {appealed}"), f"{APPEAL}_refund_id_key"),
    "an appeal that says nothing": (
        another("refunds.Appeal", refund_id="{offered}", text="''"), "appeal_says_something",
    ),
    "an appeal on no ground": (
        another("refunds.Appeal", refund_id="{offered}", ground="'mood'"), "appeal_ground_is_listed",
    ),
    "other words in an appeal": (f"UPDATE {APPEAL} SET text = 'x'", NEVER),
    "an appeal that goes": (f"DELETE FROM {APPEAL}", "Cannot update or delete"),
    # 商家异议
    "a second objection": (another("refunds.Objection"), f"{OBJECTION}_refund_id_key"),
    "an objection that says nothing": (
        another("refunds.Objection", refund_id="{offered}", text="''"), "objection_says_something",
    ),
    "upheld by nobody": (
        f"UPDATE {OBJECTION} SET verdict = 'upheld', verdict_note = 'x', decided_at = now()",
        "decided_objection_says_who_and_why",
    ),
    "dismissed without a word": (
        f"UPDATE {OBJECTION} SET verdict = 'dismissed', decided_by_id = {{stranger}}, decided_at = now()",
        "decided_objection_says_who_and_why",
    ),
    "other words in an objection": (f"UPDATE {OBJECTION} SET text = 'x'", NEVER),
    "more time for an answer to it": (f"UPDATE {OBJECTION} SET due_at = due_at + interval '1 day'", NEVER),
    # 第三方核实
    "a question without words": (
        another("refunds.Consultation", "id = {asked}", refund_id="{offered}", question="''"),
        "consultation_asks_something",
    ),
    "a second question beside an open one": (another("refunds.Consultation", "id = {asked}"), "one_open_consultation"),
    "an answer by nobody": (
        f"UPDATE {CONSULTATION} SET answer = 'x' WHERE id = {{asked}}", "answered_consultation_says_who",
    ),
    "another answer": (f"UPDATE {CONSULTATION} SET answer = 'x' WHERE id = {{answered}}", NEVER),
    "another question under an answer": (f"UPDATE {CONSULTATION} SET question = 'x' WHERE id = {{answered}}", NEVER),
    # 变更去向
    "signed twice": (
        another("refunds.RedirectAgreement", "refund_id = {signed}"), "one_open_redirect_per_refund",
    ),
    "an account that nobody has named": (
        another("refunds.RedirectAgreement", "refund_id = {signed}", refund_id="{consulted}", destination="'account'"),
        "redirect_to_an_account_names_it_and_who_proved_what",
    ),
    "confirmed by who signed": (
        f"UPDATE {REDIRECT} SET confirmed_by_id = {{signer}}, confirmed_at = now() WHERE refund_id = {{signed}}",
        "redirect_is_confirmed_by_somebody_else",
    ),
    "confirmed by nobody": (
        f"UPDATE {REDIRECT} SET confirmed_at = now() WHERE refund_id = {{signed}}", "redirect_is_confirmed_or_lapsed",
    ),
    "confirmed and lapsed": (
        f"UPDATE {REDIRECT} SET lapsed_at = now() WHERE refund_id = {{confirmed}}", "redirect_is_confirmed_or_lapsed",
    ),
    "other terms than were signed": (f"UPDATE {REDIRECT} SET text = 'x' WHERE refund_id = {{signed}}", NEVER),
    "another destination under a signature": (
        f"UPDATE {REDIRECT} SET destination = 'original' WHERE refund_id = {{confirmed}}", NEVER,
    ),
    "to the balance, signed but not confirmed": (
        f"UPDATE {REFUND} SET destination = 'balance' WHERE id = {{signed}}", NEVER,
    ),
    "to the balance, not even signed": (
        f"UPDATE {REFUND} SET destination = 'balance' WHERE id = {{consulted}}", NEVER,
    ),
    "back to the original route": (f"UPDATE {REFUND} SET destination = 'original' WHERE id = {{confirmed}}", NEVER),
    # who has it
    "claimed at no time": (
        f"UPDATE {REFUND} SET claimed_by_id = {{stranger}} WHERE id = {{consulted}}",
        "claimed_refund_says_since_when",
    ),
}  # fmt: skip


def test_every_attack_is_refused_by_name(books):
    attacks.check(ATTACKS, books)
    assert invariants.broken() == []


def test_what_was_said_stays_and_only_what_was_open_is_filled_in(books):
    """I7."""
    attacks.check_filled_in_later(Offer, Objection, Consultation, RedirectAgreement)
