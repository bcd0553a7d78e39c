"""`manage.py invariants`: is everything that must be true of the books true? Prints what is not, and fails then."""

from __future__ import annotations

import json
import urllib.request
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from cardshop import invariants


class Command(BaseCommand):
    help = "核对不变量 / check the invariants; exit 1 and a line for each row that is broken"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--books", metavar="URL", help="compare with the simulator's books: http://…/_control/ledger"
        )

    def handle(self, *args: object, books: str | None = None, **options: object) -> None:
        found = invariants.broken(_read(books) if books else None)
        for line in found:
            self.stderr.write(line)
        if found:
            raise CommandError(f"{len(found)} 处不符 / broken")
        self.stdout.write("✓ 全部成立 / all hold")


def _read(url: str) -> dict[str, object]:
    if not url.startswith(("http://", "https://")):
        raise CommandError("--books 须为 http(s) 地址 / must be an http address")
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310  the scheme is checked above
        return json.load(answer)
