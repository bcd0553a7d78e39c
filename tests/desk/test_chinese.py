"""The desk is Chinese: every page and dialog of it is read by each role, and no English word stands there but names."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from django.contrib import admin
from django.urls import reverse

import clock
from accounts.desk import page_url
from refunds import objections
from refunds.admin.review import steps_now
from tests.cases import SITUATIONS
from tests.desk.conftest import text

pytestmark = pytest.mark.django_db

# Names and units that a Chinese page writes so, too; accounts of the cast; keys that our records are found by.
ALLOWED = {
    "alipay", "wechat", "standard",  # codes of channel accounts and policies
    "API", "APIv", "AppID", "App", "CSV", "Excel", "GB", "HTTP", "HTTPS", "ID", "IP", "JSON", "JavaScript", "KB", "MB",
    "Mozilla", "MicroMessenger", "PDF", "QQ", "RSA", "SHA", "SMS", "Steam", "UTC", "URL", "UTF", "UUID", "WeChat",
    "XLSX", "ZIP", "iPhone",
}  # fmt: skip
PEOPLE = {"buyer", "stranger", "merchant", "reviewer", "colleague", "senior", "finance", "cashier", "operator", "other"}
#: Elements that are not read, or show what machines keep: code, icons by their name, what a rule looked at.
UNREAD = {"script", "style", "svg", "template", "pre", "code", "samp", "textarea"}
ICON = "material-symbols-outlined"
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
SPOKEN = ("title", "aria-label", "placeholder", "alt")
KEPT = re.compile(r"^[a-z_]+ · ")
NUMBER = re.compile(r"[A-Z][A-HJKMNP-TV-Z]{14,}")  # one of ours (``identifiers.py``) that happens to have no digit
WORD = re.compile(r"(?<![\w./@:%=&?#-])[A-Za-z]{3,}(?![\w@/:=%-]|\.[a-z])")


class Page(HTMLParser):
    """What a page says: its text, and what its attributes say aloud."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.unread: list[bool] = []  # of each open element
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = dict(attrs)
        self.said += [about[name] or "" for name in SPOKEN if name in about]
        if tag not in VOID:
            is_english = tag != "html" and about.get("lang") == "en"  # and says so
            self.unread.append(tag in UNREAD or is_english or ICON in (about.get("class") or ""))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and self.unread:
            self.unread.pop()

    def handle_data(self, data: str) -> None:
        if not any(self.unread) and not KEPT.match(data.strip()):
            self.said.append(data)


def english(page: str) -> set[str]:
    """Words of a page that are neither Chinese nor known names."""
    words = {word for part in Page(page).said for word in WORD.findall(part)}
    return {word for word in words if word not in ALLOWED and word.lower() not in PEOPLE and not NUMBER.fullmatch(word)}


@pytest.mark.parametrize("role", ["reviewer", "senior", "finance", "operator"])
def test_no_page_speaks_english(role, house, staff, sits, merchant):
    cases = [SITUATIONS[name](house) for name in (
        "first_review, consulted", "second_review, of an offer", "appeal_review", "redirect_signed",
        "paid_out, missing", "rejected", "approved",
    )]  # fmt: skip
    objections.object(cases[-1], by=merchant, at=clock.now(), text="有新的记录")
    seat = sits(staff[role])
    found: dict[str, set[str]] = {}
    paths = ["/admin/", reverse("admin:refunds_refund_buyer", args=[house.buyer.pk])]
    paths += [reverse("admin:refunds_refund_shop", args=[cases[0].shop_id]), *(page_url(case) for case in cases)]
    for model, desk in admin.site._registry.items():
        name = f"admin:{desk.opts.app_label}_{desk.opts.model_name}"
        row = model._default_manager.order_by("-pk").first()
        paths += [reverse(f"{name}_changelist"), reverse(f"{name}_add")]
        paths += [reverse(f"{name}_change", args=[row.pk])] if row else []
    for path in paths:
        answer = seat.get(path)
        if answer.status_code == 200 and (words := english(answer.content.decode())):
            found[path] = words
    for case in cases:
        for step in steps_now(case, staff[role]):
            if words := english(text(seat.dialog(step, case))):
                found[f"{step} {case.status}"] = words
    assert found == {}


def test_an_english_word_would_be_found():
    assert english('<body><p>Delete</p><a title="Close it">好</a>') == {"Delete", "Close"}
    assert english("<body><p>API 与 R8K2 的 reviewer</p>") == set()
