"""Each fault of the channels, G1 to G23, has a test that bears its number."""

from __future__ import annotations

import re
from pathlib import Path


def test_every_fault_has_its_test():
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    named = {int(number) for number in re.findall(r"^def test_g(\d\d)_", text, re.MULTILINE)}
    assert named == set(range(1, 24))
