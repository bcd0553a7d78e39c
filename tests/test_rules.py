"""Every tag of a rule in the repository is explained in docs/rules.md, and every rule there is kept somewhere."""

from __future__ import annotations

import pytest

from tests import rules
from tests.rules import INVARIANTS, REQUIREMENTS, RULES, TAG, files, list_of_planned, listed, tags_in, used


def test_every_tag_is_explained():
    missing = {tag: places for tag, places in used().items() if tag not in listed()}
    assert not missing, f"{RULES} does not explain {missing}"


def test_every_rule_is_kept_somewhere():
    idle = set(listed()) - set(used()) - INVARIANTS
    assert not idle, f"{RULES} lists what nothing names: {sorted(idle)}"


def test_each_rule_stands_there_once_and_every_invariant_does():
    tags = [tag for tag, _ in rules.LISTED.findall(rules.rules_page())]
    assert len(tags) == len(set(tags))
    assert set(tags) >= INVARIANTS
    assert all(TAG.fullmatch(tag) for tag in tags), tags


def test_every_requirement_is_kept_or_planned():
    kept, planned = set(listed()), set(list_of_planned())
    assert set(REQUIREMENTS) <= kept | planned
    assert not kept & planned
    assert not planned & set(used()), "what is planned is named already: say in which sentence it is kept"


def test_what_is_kept_has_a_test():
    idle = set(REQUIREMENTS) & set(listed()) - set(rules.proofs())
    assert not idle, f"no test names {sorted(idle)}"


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ('"""P1, S0-27."""', {"P1", "S0-27"}),
        ('"""X7."""', {"X7"}),
        ("under the same number (PM1, G1–G3)", {"PM1", "G1", "G2", "G3"}),
        ("encoded anew (X1 to X3).", {"X1", "X2", "X3"}),
        ("# I4: at rest", {"I4"}),
        ("how it is reached (conflict 6, docs/rules.md)", {"conflict 6"}),
        ('<path d="M4 7h16M4 12h16"/>', set()),
        ("""unnest(ARRAY['P3', 'P4']), {"payment_no": "P1"}""", set()),
        ("color: #F0F; # noqa: F401 %F0%9F P0000001R01 E-1003 SHA256 B023", set()),
    ],
)
def test_a_tag_is_told_from_what_looks_like_one(text, tags):
    assert tags_in(text) == tags


def test_without_git_the_tree_is_walked(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert {RULES, "tests/test_rules.py", "refunds/lifecycle/table.py"} <= set(files())
    assert ".ci/run" not in files()
