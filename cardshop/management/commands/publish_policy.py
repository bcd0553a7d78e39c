"""`manage.py publish_policy standard review_hours=48`: the next version of a refund policy, and its products under it.

Published versions never change, and orders keep theirs: this only ever adds one.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.forms import modelform_factory
from django.forms.models import model_to_dict

import clock
from shops import policies
from shops.models import RefundPolicy
from shops.policies import COLUMNS


class Command(BaseCommand):
    help = "发布退款政策的新版本 / publish the next version of a refund policy"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("code", help="政策代号 / the policy's code, e.g. standard")
        parser.add_argument("changes", nargs="+", metavar="field=value", help=", ".join(COLUMNS))

    def handle(self, *args: Any, code: str, changes: list[str], **options: Any) -> None:
        with transaction.atomic():
            policies.hold(code)
            last = policies.newest(code)
            if last is None:
                known = ", ".join(RefundPolicy.objects.values_list("code", flat=True).distinct())
                raise CommandError(f"没有政策 / no policy {code!r}; 已有 / there are: {known}")
            following = self.next_version(last, dict(change.partition("=")[::2] for change in changes))
            count = policies.publish_next(following, at=clock.now())
        self.stdout.write(f"{following}: {count} 件商品 / products")

    def next_version(self, last: RefundPolicy, changes: dict[str, str]) -> RefundPolicy:
        if unknown := sorted(changes.keys() - set(COLUMNS)):
            raise CommandError(f"没有这些字段 / unknown: {', '.join(unknown)}; 可改 / known: {', '.join(COLUMNS)}")
        form = modelform_factory(RefundPolicy, fields=COLUMNS)(model_to_dict(last, COLUMNS) | changes)
        if not form.is_valid():
            raise CommandError(f"不能发布 / cannot publish: {form.errors.as_json(escape_html=False)}")
        following: RefundPolicy = form.save(commit=False)
        following.code = last.code
        return following
