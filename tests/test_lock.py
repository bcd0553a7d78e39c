"""The locked requirements are what pyproject.toml asks for, name no registry, and carry a hash each."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = ROOT / "requirements.txt"
DEVELOPMENT = ROOT / "requirements-dev.txt"


def pins(path: Path) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in
            re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\\n]+)", path.read_text(), re.MULTILINE)}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "wanted"),
    [(RUNTIME, PROJECT["dependencies"]), (DEVELOPMENT, PROJECT["optional-dependencies"]["dev"])],
    ids=["runtime", "development"],
)
def test_every_requirement_is_locked(path: Path, wanted: list[str]) -> None:
    locked = pins(path)
    for requirement in map(Requirement, wanted):
        version = locked.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not in {path.name}: make lock"
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}: make lock"


def test_development_has_all_of_runtime() -> None:
    assert pins(RUNTIME).items() <= pins(DEVELOPMENT).items()


@pytest.mark.parametrize("path", [RUNTIME, DEVELOPMENT], ids=["runtime", "development"])
def test_the_lock_has_hashes_and_no_address(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    without = [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry]
    assert not without
