"""The ground floor imports nothing of the house; import-linter sees to the floors above (pyproject.toml)."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOUSE = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {path.stem for path in ROOT.glob("*.py")}


@pytest.mark.parametrize(
    ("module", "below"),
    [
        ("append_only", set()),
        ("asking", set()),
        ("clock", set()),
        ("identifiers", set()),
        ("money", set()),
        ("paging", set()),
        ("private_pictures", set()),
        ("reason_given", set()),
        ("wire", set()),
        ("writing", set()),
        ("workqueue", {"clock", "identifiers"}),
    ],
)
def test_the_ground_floor_looks_only_down(module: str, below: set[str]) -> None:
    tree = ast.parse((ROOT / f"{module}.py").read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} & HOUSE <= below


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty_words = {"utils", "common", "core", "helpers", "services", "exceptions"}
    for package in HOUSE:
        found = {path.stem for path in (ROOT / package).rglob("*.py")} & empty_words
        assert not found, f"{package}: {found}"
