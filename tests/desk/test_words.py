"""The desk speaks Chinese: also where Unfold's own templates speak, for which it ships no translation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import unfold
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.urls import reverse
from django.utils import translation

from refunds.casefile import STEP_WORDS, step_words
from refunds.lifecycle import STEPS
from tests.desk.conftest import text

TEMPLATES = Path(unfold.__file__).parent / "templates"
QUOTED = re.compile(r"""{%-?\s*(?:trans|translate)\s+(?:"([^"]+)"|'([^']+)')|_\((?:"([^"]+)"|'([^']+)')\)""")


def words_of_unfold() -> set[str]:
    found = set()
    for path in [*TEMPLATES.rglob("admin/**/*.html"), *TEMPLATES.rglob("unfold/**/*.html")]:
        found |= {next(filter(None, match.groups())) for match in QUOTED.finditer(path.read_text())}
    return found


def test_every_word_of_unfold_has_its_chinese():
    words = words_of_unfold()
    assert len(words) > 70
    with translation.override("zh-hans"):
        assert [word for word in sorted(words) if not re.search(r"[\u4e00-\u9fff]", translation.gettext(word))] == []


def test_every_step_of_a_record_has_its_words():
    for step in [*STEPS, "submit"]:
        assert re.search(r"[\u4e00-\u9fff]", step_words(step)), step
    assert set(STEP_WORDS) <= {*STEPS, "submit"}


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model._meta.label)
def test_every_table_and_column_has_a_chinese_name(model):
    with translation.override("zh-hans"):
        desk = admin.site._registry[model]
        labels = [model._meta.verbose_name, model._meta.app_config.verbose_name]
        columns = [*desk.list_display, *(desk.fields or ())]
        labels += [label_for_field(name, model, desk) for name in columns if isinstance(name, str)]
        assert [str(label) for label in labels if not re.search(r"[\u4e00-\u9fff]", str(label))] == []


@pytest.mark.django_db
@pytest.mark.parametrize(("query", "is_offered"), [("", False), ("?status__exact=done", True), ("?q=PB0", True)])
def test_what_is_not_set_is_not_offered_to_be_cleared(query, is_offered, sits, finance):
    page = text(sits(finance).get(reverse("admin:refunds_payoutbatch_changelist") + query))
    assert "这里没有内容" in page
    assert ("清除筛选" in page, "没有符合条件的记录" in page) == (is_offered, is_offered)
