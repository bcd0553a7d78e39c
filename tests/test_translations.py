"""Chinese is the source, English is complete: every sentence that is marked for translation has its English."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import polib
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "locale" / "en" / "LC_MESSAGES" / "django.po"
MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop", "pgettext", "pgettext_lazy"}
CHINESE = re.compile(r"[\u4e00-\u9fff\u3001-\u3011\uff01-\uff5e]")  # its punctuation too
QUOTED = r"""u?'(?:\\.|[^'\\])*'|u?"(?:\\.|[^"\\])*\""""
IN_TEMPLATES = re.compile(rf"\b(p?gettext)\(((?:\s|,|{QUOTED})+)\)")


def test_every_sentence_has_its_english():
    catalogue = {(entry.msgctxt, entry.msgid) for entry in polib.pofile(str(CATALOGUE))}
    missing = sorted({text for context, text in marked() if (context, text) not in catalogue})
    assert missing == [], f"add these to {CATALOGUE.relative_to(ROOT)}"


def test_every_entry_is_still_said_somewhere():
    catalogue = {(entry.msgctxt, entry.msgid) for entry in polib.pofile(str(CATALOGUE))}
    assert catalogue - set(marked()) == set(), "these are said no more: take them out"


def test_no_entry_is_empty_or_a_guess():
    entries = polib.pofile(str(CATALOGUE))
    assert [entry.msgid for entry in entries if not entry.msgstr or entry.fuzzy or entry.obsolete] == []
    assert [entry.msgid for entry in entries if CHINESE.search(entry.msgstr)] == []


def test_parameters_are_the_same_in_both():
    def parameters(text: str) -> set[str]:
        return set(re.findall(r"%\(\w+\)[sd]", text))

    for entry in polib.pofile(str(CATALOGUE)):
        assert parameters(entry.msgid) == parameters(entry.msgstr), entry.msgid


def marked() -> Iterator[tuple[str | None, str]]:
    """Every (context, Chinese sentence) marked for translation, in Python and in templates."""
    for path in sources("*.py"):
        yield from in_python(path)
    for path in [*sources("templates/**/*.html"), *sources("templates/**/*.txt")]:
        for function, arguments in IN_TEMPLATES.findall(templatize(path.read_text())):
            texts = ast.literal_eval(f"({arguments},)")
            if CHINESE.search(texts[-1]):  # English ones are Unfold's own, and need Chinese: locale/zh_Hans
                yield (texts[0], texts[1]) if function == "pgettext" else (None, texts[0])


def in_python(path: Path) -> Iterator[tuple[str | None, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS):
            continue
        texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        if texts and CHINESE.search(texts[-1]):
            yield (texts[0], texts[1]) if node.func.id.startswith("pgettext") else (None, texts[0])


def sources(pattern: str) -> Iterator[Path]:
    """Our own files: the first folders of the house, not what was installed or made beside them."""
    yield from ROOT.glob(pattern)
    if pattern == "*.py":
        for package in sorted(path.parent for path in ROOT.glob("*/__init__.py")):
            if package.name not in {"tests", "simulator"}:
                yield from package.rglob("*.py")


def test_the_search_finds_what_is_there():
    """The other tests would pass over nothing: so many sentences are there at least."""
    found = set(marked())
    assert ("导航", "订单") in found
    assert (None, "图片是空的，请重新选择一张。") in found
    assert len(found) > 400
