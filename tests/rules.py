"""docs/rules.md read by a program: which rule is proved where. `make requirements` prints it."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RULES = "docs/rules.md"
ABOUT_RULES = {RULES, "tests/rules.py", "tests/test_rules.py"}
INVARIANTS = {f"I{number}" for number in range(1, 16)}
#: How many wishes each of the five descriptions of the trade holds, and how many mistakes of others are on the list.
WISHES = {"S0-": 35, "S1-": 29, "S2-": 30, "S3-": 27, "S4-": 28, "PM": 19}
REQUIREMENTS = [f"{kind}{number}" for kind, count in WISHES.items() for number in range(1, count + 1)]

KIND = r"PM|[BDFGIKMNOPX]"
TAG = re.compile(rf"(?<![\w#&/%.+=-])(?:S\d-\d{{1,2}}|(?:{KIND})\d{{1,2}}|conflict \d{{1,2}})(?!\w|\.\d)")
RANGE = re.compile(rf"(?<![\w#&/%.+=-])({KIND})(\d{{1,2}})(?:–| to )\1(\d{{1,2}})(?!\w)")
# What only looks like a tag: the path of a drawing, and a short text alone in its quotes, which is data.
LOOKALIKE = re.compile(r"""\bd="[^"]*"|(?<!["'])(["'])[A-Z]\d{1,2}\1(?!["'])""")
LISTED = re.compile(r"^- \*\*(.+?)\*\* +(\S.*)", re.MULTILINE)
PLANNED = re.compile(r"^- ((?:S\d-|PM)\d+) +(\S.*)", re.MULTILINE)
NOT_OURS = {"node_modules", "staticfiles", "test-results", "__pycache__"}


def main() -> None:
    """Each requirement with its sentence, and the tests and docstrings that name it; or that it is planned."""
    sentences, planned, tests, code = listed(), list_of_planned(), proofs(), used()
    for tag in REQUIREMENTS:
        print(f"{tag:6} {sentences.get(tag) or planned.get(tag, '')}")
        if tag in planned:
            print("       planned")
        for place in tests.get(tag, []) + [name for name in code.get(tag, []) if not name.startswith("tests/")]:
            print(f"       {place}")
    print(
        f"\n{len(REQUIREMENTS)} requirements: {len(set(REQUIREMENTS) & set(tests))} with a test, {len(planned)} planned"
    )


def tags_in(text: str) -> set[str]:
    text = LOOKALIKE.sub("", text)
    between = {
        f"{kind}{number}" for kind, first, last in RANGE.findall(text) for number in range(int(first), int(last) + 1)
    }
    return between | set(TAG.findall(text))


@cache
def listed() -> dict[str, str]:
    """The rules that are kept, with the first line of their sentence."""
    return dict(LISTED.findall(rules_page()))


@cache
def list_of_planned() -> dict[str, str]:
    return dict(PLANNED.findall(rules_page()))


def rules_page() -> str:
    return (ROOT / RULES).read_text(encoding="utf-8")


@cache
def used() -> dict[str, list[str]]:
    """Each tag, and the files that name it."""
    places = defaultdict(list)
    for name, text in _texts():
        for tag in tags_in(text):
            places[tag].append(name)
    return dict(places)


@cache
def proofs() -> dict[str, list[str]]:
    """Each tag, and the tests that name it: a test's own text, its data, or the head of its file."""
    places = defaultdict(list)
    for name, text in _texts():
        if name.startswith("tests/") and name.endswith(".py"):
            for place, part in _parts(name, text):
                for tag in tags_in(part):
                    places[tag].append(place)
    return dict(places)


def _parts(name: str, text: str) -> Iterator[tuple[str, str]]:
    lines, rest = text.splitlines(), []
    end = 0
    for node in ast.parse(text).body:
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            rest += lines[end : first - 1]
            yield f"{name}::{node.name}", "\n".join(lines[first - 1 : node.end_lineno])
            end = node.end_lineno or first
    yield name, "\n".join(rest + lines[end:])


PICTURES = (".webp", ".png", ".jpg", ".ico")  # their bytes happen to spell tags


def _texts() -> Iterator[tuple[str, str]]:
    for name in sorted(set(files()) - ABOUT_RULES):
        if (ROOT / name).is_file() and not name.endswith(PICTURES):
            yield name, (ROOT / name).read_text(encoding="utf-8", errors="replace")


def files() -> list[str]:
    """What git keeps; without git, whatever lies in the tree and is not made by a tool."""
    try:
        listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return _walked()
    return listing.stdout.split("\0")[:-1] or _walked()


def _walked() -> list[str]:
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NOT_OURS and not name.startswith(".")]
        found += [(Path(folder) / name).relative_to(ROOT).as_posix() for name in names]
    return found


if __name__ == "__main__":
    main()
