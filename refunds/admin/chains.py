"""存证核对 on the desk: the chain of an order, a case or a code, event by event, and whether it is as written (O3).

Reading alone: 验证 is a GET, and changes nothing. The same check as ``manage.py verify_chain``, of one chain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import rights
from accounts.desk import Desk, called
from accounts.rights import Act
from records import checking, roots
from records.models import Link
from refunds.casefile import step_words

MOST_EVENTS = 500
MOST_FINDINGS = 50
TITLES = {"order": "订单", "refund": "退款单", "code": "卡密"}

#: What a check says, in the desk's words; each number in it is an event's.
WORDS: list[tuple[str, str]] = [
    (r"event (\d+) \(.*\) is not the next one: event (\d+) is missing", "缺少第 {1} 条，其后是第 {0} 条"),
    (r"event (\d+) \(.*\) does not follow event (\d+): one of them was changed",
     "第 {1} 条与第 {0} 条接不上，其中一条被改过"),
    (r"event (\d+) \(.*\) was changed after it was written", "第 {0} 条写入后被改过"),
    (r"event (\d+) \(.*\) has other personal details than were written", "第 {0} 条的说明或操作信息与写入时不同"),
    (r"event (\d+) \(.*\) is not what the root of (\S+) holds", "第 {0} 条与 {1} 公布的每日指纹不符"),
    (r"is (\S+), its last event (\d+) \(.*\) says (\S+)", "现在的状态是 {0}，最后一条（第 {1} 条）记的是 {2}"),
    (r"has no record at all", "整条记录都不在了"),
    (r"root of (\S+): its signature is not by key (\S+)", "{0} 的每日指纹不是由公钥 {1} 签的"),
]  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One event as the page shows it."""

    sequence: int
    at: datetime
    recorded_at: datetime
    step: str
    became: str
    who: str
    hash: str
    is_named: bool  # by a finding


@dataclass(frozen=True)
class Finding:
    said: str
    sequences: frozenset[int]


class ChainDesk(Desk):
    """Mixed into the desk of the refunds' record."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_safe(never_cache(self.chain_view)))
        return [path("chain/", view, name="refunds_refundevent_chain"), *super().get_urls()]

    def chain_view(self, request: HttpRequest) -> HttpResponse:
        """存证核对: by number; with ``check`` verified too."""
        number = request.GET.get("q", "").strip()
        kind = _kind(number, request.user) if number else None
        found = list(_findings(kind, number)) if kind and "check" in request.GET else None
        context = self.admin_site.each_context(request) | {
            "title": "存证核对",
            "number": number,
            "known_as": TITLES[kind.STREAM] if kind else "",
            "rows": _rows(kind, number, found or []) if kind else [],
            "most": MOST_EVENTS,
            "findings": found,
        }
        return TemplateResponse(request, "admin/refunds/refundevent/chain.html", context)


def in_words(line: str) -> Finding:
    """One line of a check, for the desk."""
    for pattern, words in WORDS:
        if match := re.search(pattern, line):
            numbers = re.findall(r"event (\d+)", match.group(0))
            return Finding(words.format(*match.groups()), frozenset(int(number) for number in numbers))
    return Finding(line, frozenset())


def _kind(number: str, user: object) -> type[Link] | None:
    """Whose number it is, of what this person may see."""
    for kind in roots.streams():
        known_as = number.upper() if kind.NUMBER != "pk" else number
        subject = checking.subjects(kind).model._meta.label_lower
        if rights.may(user, Act.SEE, subject) and checking.is_known(kind, known_as):
            return kind
    return None


def _number(kind: type[Link], number: str) -> str:
    return number if kind.NUMBER == "pk" else number.upper()


def _findings(kind: type[Link], number: str) -> Iterator[Finding]:
    scope = checking.Scope(kind.STREAM, _number(kind, number))
    lines = checking.findings(scope, lambda _progress: None)
    for count, line in enumerate(lines):
        if count == MOST_FINDINGS:
            return
        yield in_words(line)


def _rows(kind: type[Link], number: str, found: Sequence[Finding]) -> list[Row]:
    named = frozenset().union(*(finding.sequences for finding in found)) if found else frozenset()
    events: Any = checking.of_subject(kind, _number(kind, number)).select_related("actor")[:MOST_EVENTS]
    return [
        Row(
            event.sequence,
            event.at,
            event.recorded_at,
            _step(event),
            _state(event),
            called(event.actor),
            bytes(event.hash).hex()[:16],
            event.sequence in named,
        )
        for event in events
    ]


def _step(event: Any) -> str:
    step = getattr(event, event.STEP)
    field = type(event)._meta.get_field(event.STEP)
    return step_words(step) if event.STREAM == "refund" else str(dict(field.flatchoices).get(step, step))


def _state(event: Any) -> str:
    """In the words of the subject's own column."""
    subject: Any = type(event)._meta.get_field(event.SUBJECT).related_model
    state = getattr(event, event.TO)
    return str(dict(subject._meta.get_field(event.STATE).flatchoices).get(state, state))
