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
from shops.models import Product, RefundPolicy

KEPT = {"id", "code", "version", "published_at"}
CHANGEABLE = [field.name for field in RefundPolicy._meta.fields if field.name not in KEPT]


class Command(BaseCommand):
    help = "发布退款政策的新版本 / publish the next version of a refund policy"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("code", help="政策代号 / the policy's code, e.g. standard")
        parser.add_argument("changes", nargs="+", metavar="field=value", help=", ".join(CHANGEABLE))

    def handle(self, *args: Any, code: str, changes: list[str], **options: Any) -> None:
        with transaction.atomic():
            last = RefundPolicy.objects.filter(code=code).order_by("-version").first()
            if last is None:
                known = ", ".join(RefundPolicy.objects.values_list("code", flat=True).distinct())
                raise CommandError(f"没有政策 / no policy {code!r}; 已有 / there are: {known}")
            following = self.next_version(last, dict(change.partition("=")[::2] for change in changes))
            count = Product.objects.filter(policy__code=code).update(policy=following)
        self.stdout.write(f"{following}: {count} 件商品 / products")

    def next_version(self, last: RefundPolicy, changes: dict[str, str]) -> RefundPolicy:
        if unknown := sorted(changes.keys() - set(CHANGEABLE)):
            raise CommandError(f"没有这些字段 / unknown: {', '.join(unknown)}; 可改 / known: {', '.join(CHANGEABLE)}")
        form = modelform_factory(RefundPolicy, fields=CHANGEABLE)(model_to_dict(last, CHANGEABLE) | changes)
        if not form.is_valid():
            raise CommandError(f"不能发布 / cannot publish: {form.errors.as_json(escape_html=False)}")
        following = form.save(commit=False)
        following.code, following.version, following.published_at = last.code, last.version + 1, clock.now()
        following.save()
        return following
