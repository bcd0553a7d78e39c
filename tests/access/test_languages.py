"""Every page of buyers and shops, in both languages: what the matrix shows to somebody is shown, and in English it is
English, but for what people of the story wrote themselves.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from http.cookies import SimpleCookie

import pytest
from django.core.cache import cache
from django.test import Client

from tests.access.test_matrix import Row, all_rows, session_of
from tests.access.walker import addresses
from tests.access.world import World, world

pytestmark = pytest.mark.django_db
__all__ = ["world"]

CHINESE = re.compile(r"[\u4e00-\u9fff\u3001-\u3011\uff01-\uff5e]+")
READ_BY_PEOPLE = {"alt", "aria-label", "placeholder", "title", "content"}
#: Whose pages are looked at: everybody's, a buyer's, a shop's.
READERS = ["nobody", "owner", "merchant"]
#: What people and channels of the story wrote: it stays in their language.
WRITTEN = [
    "测试点卡店", "点卡 3000", "点卡 8800", "新店", "点卡", "营业执照", "星海发卡", "招商银行借记卡0403",
    "11月20日兑换，提示卡密已使用", "请补充", "风控拦截", "风控", "您好", "好", "查",
    "简体中文",  # a language is called by its own name
]  # fmt: skip


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_page_is_in_the_readers_language(world: World, language: str) -> None:
    cache.clear()
    known = {address.name: address for address in addresses()}
    seen, wrong = set(), []
    for reader in READERS:
        client = Client()
        client.cookies = SimpleCookie(session_of(world.people[reader]))
        client.cookies["cardshop_language"] = language
        world.reader = world.people[reader]
        for row in pages_of(reader):
            answer = client.get(world.path(known[row.name], row.about) + world.query(row.name, row.about))
            assert answer.status_code == 200, row
            if answer.streaming:
                list(answer.streaming_content)  # to its end, which closes the file
            if not answer.headers["Content-Type"].startswith("text/html"):
                continue
            seen.add(row.name)
            page = answer.content.decode()
            assert f'<html lang="{language}"'.lower() in page.lower(), row
            if language == "en":
                wrong += [f"{row}: {text}" for text in chinese_in(page)]
    assert len(seen) > 50  # or the matrix was not read
    assert not wrong, "\n" + "\n".join(dict.fromkeys(wrong))


def pages_of(reader: str) -> list[Row]:
    """Every address that answers this reader with something to read."""
    ours = [row for row in all_rows() if row.name.startswith(("storefront:", "portal:", "account_"))]
    return [row for row in ours if row.method == "GET" and row.outcomes[reader] == "200"]


def chinese_in(page: str) -> list[str]:
    reading = Reading()
    reading.feed(page)
    return [text.strip() for text in reading.texts if CHINESE.search(without_what_people_wrote(text))]


def without_what_people_wrote(text: str) -> str:
    for words in WRITTEN:
        text = text.replace(words, "")
    return text


class Reading(HTMLParser):
    """What is read or heard of a page; not what says itself that it is Chinese, as the way there does."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.is_chinese = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.is_chinese = (dict(attributes).get("lang") or "").startswith("zh")
        self.texts += [value or "" for name, value in attributes if name in READ_BY_PEOPLE]

    def handle_endtag(self, tag: str) -> None:
        self.is_chinese = False

    def handle_data(self, data: str) -> None:
        if not self.is_chinese:
            self.texts.append(data)
