"""SQL against the rules of bills and differences: the database itself refuses, whoever asks."""

from __future__ import annotations

from datetime import timedelta

import pytest

import clock
from cardshop import invariants
from reconciliation import matching, resolving, statements
from reconciliation.models import Discrepancy, Statement
from tests import attacks

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(finance):
    """Two days' bills that are late, one of them explained."""
    at = clock.now()
    for days in (1, 2):
        statements.want(at.date() - timedelta(days=days), at=at)
    for statement in Statement.objects.all():
        matching.is_late(statement, at=at)
    resolving.explain(Discrepancy.objects.order_by("pk").first(), by=finance, at=at, reason="渠道公告延迟")
    open_row, explained = Discrepancy.objects.filter(status="open").first(), Discrepancy.objects.get(status="explained")
    return {"statement": Statement.objects.first().pk, "open": open_row.pk, "explained": explained.pk,
            "finance": finance.pk, "statement_of_open": open_row.statement_id, "kind": open_row.kind,
            "key": open_row.key}  # fmt: skip


S, D = "UPDATE reconciliation_statement SET", "UPDATE reconciliation_discrepancy SET"
ATTACKS: attacks.Attacks = {
    "a status that nobody knows": (f"{S} status = 'fine' WHERE id = {{statement}}", "statement_status_is_listed"),
    "a bill of another kind": (f"{S} kind = 'gossip' WHERE id = {{statement}}", "statement_kind_is_listed"),
    "a bill that nobody fetches": (f"{S} next_due_at = NULL WHERE id = {{statement}}", "unmatched_statement_is_due"),
    "compared, but never": (f"{S} status = 'matched' WHERE id = {{statement}}", "matched_statement_says_when"),
    "the same bill twice": (
        "INSERT INTO reconciliation_statement SELECT (jsonb_populate_record(s, '{{\"id\": 99999}}')).*"
        " FROM reconciliation_statement s WHERE id = {statement}",
        "one_statement_per_account_kind_and_day",
    ),
    "a bill that vanishes": ("DELETE FROM reconciliation_statement WHERE id = {statement}", "Cannot delete rows"),
    "a difference of no kind": (f"{D} kind = 'odd' WHERE id = {{open}}", "discrepancy_kind_is_listed"),
    "a difference of no status": (f"{D} status = 'gone' WHERE id = {{open}}", "discrepancy_status_is_listed"),
    "a loss that nobody bears": (
        f"{D} borne_by = 'nobody', proposed_by_id = {{finance}} WHERE id = {{open}}", "bearer_is_listed"
    ),
    "a difference that nobody hears of": (f"{D} next_due_at = NULL WHERE id = {{open}}", "open_discrepancy_is_due"),
    "over, but never": (f"{D} status = 'closed' WHERE id = {{open}}", "resolved_discrepancy_says_when"),
    "explained by nobody": (
        f"{D} status = 'explained', resolved_at = now() WHERE id = {{open}}", "explained_discrepancy_says_who_and_why"
    ),
    "a loss written off alone": (
        f"{D} borne_by = 'shop', proposed_by_id = {{finance}}, resolved_by_id = {{finance}} WHERE id = {{open}}",
        "write_off_takes_two_people",
    ),
    "a loss that nobody proposed": (f"{D} borne_by = 'shop' WHERE id = {{open}}", "write_off_says_who_proposed_it"),
    "the same difference twice": (
        f"{D} statement_id = {{statement_of_open}}, kind = '{{kind}}', key = '{{key}}' WHERE id <> {{open}}"
        " AND status = 'open'",
        "one_discrepancy_per_key",
    ),
    "a difference that vanishes": ("DELETE FROM reconciliation_discrepancy", "Cannot delete rows"),
    "another reason afterwards": (f"{D} reason = '没事' WHERE id = {{explained}}", "Cannot update rows"),
}  # fmt: skip


def test_every_attack_is_refused_by_name(books):
    attacks.check(ATTACKS, books)


def test_every_rule_is_tried():
    attacks.check_all_are_tried(ATTACKS, "reconciliation")


def test_what_was_done_about_a_difference_is_never_changed(books):
    attacks.check_append_only("reconciliation")
    attacks.check_never_deleted("reconciliation")


def test_the_guards_stand(books):
    assert not invariants.broken()
