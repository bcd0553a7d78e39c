"""docs/screens.md: every picture that it names is there, and every picture that is there is named."""

from __future__ import annotations

import re

from tests.screens import CHAPTERS
from tests.screenshots import BOOK, FOLDER, MOST_BYTES, book, names

SHOTS = [shot for chapter in CHAPTERS for shot in chapter.shots]


def test_the_book_says_what_its_script_would_write():
    assert BOOK.read_text(encoding="utf-8") == book()


def test_every_picture_is_named_and_every_name_is_a_picture():
    named = re.findall(r"\(screens/([a-z-]+)\.webp\)", BOOK.read_text(encoding="utf-8"))
    assert named == names()
    assert len(named) == len(set(named))
    assert sorted(named) == sorted(path.stem for path in FOLDER.iterdir())


def test_the_pictures_stay_small_and_are_pictures():
    files = list(FOLDER.iterdir())
    assert all(path.read_bytes()[8:12] == b"WEBP" for path in files)
    assert sum(path.stat().st_size for path in files) < MOST_BYTES


def test_each_is_told_in_both_languages():
    assert all(re.search("[\u4e00-\u9fff]", shot.zh) and not re.search("[\u4e00-\u9fff]", shot.en) for shot in SHOTS)
    assert all(shot.of or shot.who for shot in SHOTS)
