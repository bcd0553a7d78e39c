"""`manage.py lifecycle`: the picture of a refund's life, drawn from the table in ``refunds/lifecycle/table.py``.

``--write`` puts it into the READMEs between their marks; ``--check`` fails when they no longer show the table.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import translation
from django.utils.translation import gettext

from accounts.roles import Role
from cardshop import translations
from refunds.lifecycle import BACK, REVIEWS, SAME, STEPS, Step
from refunds.models import Status

READMES = {"README.md": "zh-hans", "README.en.md": "en"}
ANY_REVIEW = "any_review"
MARKS = re.compile(r"(<!-- lifecycle: .*? -->\n).*?(<!-- /lifecycle -->)", re.S)


class Command(BaseCommand):
    help = "退款的一生，由步骤表画成 / the life of a refund, drawn from the table of steps"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true", help="写入 README / put it into the READMEs")
        parser.add_argument("--check", action="store_true", help="README 过时则失败 / fail if the READMEs are stale")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (options["write"] or options["check"]):
            self.stdout.write(picture())
            return
        translations.compile_all()  # a fresh clone has no compiled catalogue yet
        for name, language in READMES.items():
            file = Path(settings.BASE_DIR) / name
            before = file.read_text()
            with translation.override(language):
                after = MARKS.sub(lambda mark: mark[1] + picture() + mark[2], before)
            if options["write"]:
                file.write_text(after)
            elif after != before or not MARKS.search(before):
                raise CommandError(f"{name} 中的流程图已过时 / is stale: python manage.py lifecycle --write")


def picture() -> str:
    """A Mermaid state diagram with a line for each step; what any review may come to is drawn once for all of them."""
    inside = [f'        state "{status.label}" as {status.value}' for status in Status if status in REVIEWS]
    outside = [f'    state "{status.label}" as {status.value}' for status in Status if status not in REVIEWS]
    arrows: dict[tuple[str, str], list[str]] = {}
    for name, step in STEPS.items():
        for ends in _ends(step):
            arrows.setdefault(ends, []).append(f"{name} ({_who(step)})")
    drawn = [f"    {source} --> {target}: {' · '.join(names)}" for (source, target), names in arrows.items()]
    group = [f'    state "{gettext("审核中")}" as {ANY_REVIEW} {{', *inside, "    }"]
    lines = ["```mermaid", "stateDiagram-v2", *outside, *group, "    [*] --> submitted: submit", *drawn, "```", ""]
    return "\n".join(lines)


def _ends(step: Step) -> list[tuple[str, str]]:
    """Sources in the order of the statuses; a way back is drawn to where cases come from. What stays is not drawn."""
    if step.target == SAME:
        return []
    if step.target == BACK:
        asked = {source for other in STEPS.values() if other.target in step.sources for source in other.sources}
        return [(source, back) for source in _sources(step.sources) for back in _sources(asked)]
    return [(source, str(Status(step.target).value)) for source in _sources(step.sources)]


def _sources(statuses: Collection[Status]) -> list[str]:
    """One name for all reviews, where all of them are meant."""
    is_any = set(statuses) >= REVIEWS
    alone = [status.value for status in Status if status in statuses and not (is_any and status in REVIEWS)]
    return [*([ANY_REVIEW] if is_any else []), *alone]


def _who(step: Step) -> str:
    return " / ".join(str(role.label) for role in Role if role in step.who)
