"""Every tag of a rule in the repository is explained in docs/rules.md, and every rule there is kept somewhere."""

from __future__ import annotations

import os
import re
import subprocess
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RULES = "docs/rules.md"
INVARIANTS = {f"I{number}" for number in range(1, 16)}

KIND = r"PM|[BDFGIKMNOPX]"
TAG = re.compile(rf"(?<![\w#&/%.+=-])(?:S\d-\d{{1,2}}|(?:{KIND})\d{{1,2}}|conflict \d{{1,2}})(?!\w|\.\d)")
RANGE = re.compile(rf"(?<![\w#&/%.+=-])({KIND})(\d{{1,2}})(?:–| to )\1(\d{{1,2}})(?!\w)")
# What only looks like a tag: the path of a drawing, and a short text alone in its quotes, which is data.
LOOKALIKE = re.compile(r"""\bd="[^"]*"|(?<!["'])(["'])[A-Z]\d{1,2}\1(?!["'])""")
LISTED = re.compile(r"^- \*\*(.+?)\*\* +\S", re.MULTILINE)
NOT_OURS = {"node_modules", "staticfiles", "test-results", "__pycache__"}


def tags_in(text: str) -> set[str]:
    text = LOOKALIKE.sub("", text)
    between = {
        f"{kind}{number}" for kind, first, last in RANGE.findall(text) for number in range(int(first), int(last) + 1)
    }
    return between | set(TAG.findall(text))


@cache
def used() -> dict[str, list[str]]:
    """Each tag, and the files that name it."""
    places = defaultdict(list)
    for name in sorted(set(files()) - {RULES, "tests/test_rules.py"}):
        path = ROOT / name
        if path.is_file():
            for tag in tags_in(path.read_text(encoding="utf-8", errors="replace")):
                places[tag].append(name)
    return dict(places)


def files() -> list[str]:
    """What git keeps; without git, whatever lies in the tree and is not made by a tool."""
    try:
        listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return walked()
    return listing.stdout.split("\0")[:-1] or walked()


def walked() -> list[str]:
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NOT_OURS and not name.startswith(".")]
        found += [(Path(folder) / name).relative_to(ROOT).as_posix() for name in names]
    return found


def listed() -> list[str]:
    return LISTED.findall((ROOT / RULES).read_text(encoding="utf-8"))


def test_every_tag_is_explained():
    missing = {tag: places for tag, places in used().items() if tag not in listed()}
    assert not missing, f"{RULES} does not explain {missing}"


def test_every_rule_is_kept_somewhere():
    idle = set(listed()) - set(used()) - INVARIANTS
    assert not idle, f"{RULES} lists what nothing names: {sorted(idle)}"


def test_each_rule_stands_there_once_and_every_invariant_does():
    rules = listed()
    assert len(rules) == len(set(rules))
    assert set(rules) >= INVARIANTS
    assert all(TAG.fullmatch(rule) for rule in rules), rules


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
    assert {RULES, "tests/test_rules.py", "refunds/lifecycle.py"} <= set(files())
    assert ".ci/run" not in files()
