"""`make bench-scale`: no list and no search may cost more because the tables have grown tenfold.

python -m bench.scale [--orders 1000000] [--json scale.json]

Writes two marketplaces, one with a tenth of the other's orders, with one case at rest for each, and both with the same
backlog of open cases, a tenth of the larger one's orders; and asks both for every list, turn by turn. A list
fails if its plan scans a big table, or if its median database time is more than half as much again in the larger one.
Times below ``FLOOR_MS`` count as it: down there one measures the machine, not the plan. The databases stand on
an embedded PostgreSQL of their own, or on the server that BENCH_DATABASE_URL names, as scale_small and scale_large.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg2

from cardshop import embedded

if TYPE_CHECKING:
    from bench.scale_lists import Asked, Cost

MOST_GROWTH = 1.5
FLOOR_MS = 1.0
TRIES = 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scale")
    parser.add_argument("--orders", type=int, default=1_000_000, help="最终订单数 / orders in the end")
    parser.add_argument("--json", type=Path, help="结果写到这里 / where to write the figures")
    options = parser.parse_args()
    given = os.environ.get("BENCH_DATABASE_URL")
    if given:
        return run(given, options.orders, options.json)
    with tempfile.TemporaryDirectory(prefix="cardshop-scale-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run as another account
        data, port = Path(folder) / "postgres", embedded.free_ports(1)[0]
        server = embedded.postgres(data, port, Path(folder) / "postgres.log")
        server.start()
        try:
            server.wait_until_ready(60)
            return run(embedded.postgres_url(data, port, "postgres"), options.orders, options.json)
        finally:
            server.stop()
            embedded.remove_postgres(data)


def run(server_url: str, orders: int, written_to: Path | None) -> int:
    os.environ |= {"DATABASE_URL": server_url, "DJANGO_SETTINGS_MODULE": "cardshop.settings", "STATIC_MANIFEST": "0"}
    import django

    django.setup()
    with contextlib.ExitStack() as stack:
        places = []
        for name, size in (("scale_small", orders // 10), ("scale_large", orders)):
            lists = _world(name, size, open_cases=orders // 10)
            there = stack.enter_context(contextlib.closing(psycopg2.connect(_url(server_url, name))))
            there.autocommit = True
            places.append((there.cursor(), lists))
        pairs = list(_measured(places))
    small, large = zip(*pairs, strict=True)
    if written_to:
        figures = [{"tenth": asdict(one), "whole": asdict(other)} for one, other in pairs]
        written_to.write_text(json.dumps(figures, ensure_ascii=False, indent=1))
    return report(small, large)


def _measured(places: Sequence[tuple[Any, list[Asked]]]) -> Iterator[tuple[Cost, Cost]]:
    """Both sizes of each list. One that has grown too much is measured again, up to ``TRIES`` times, and its best
    counts: what else the machine did meanwhile is not the plan's doing, and what the plan does comes again."""
    from bench import scale_lists

    for number in range(len(places[0][1])):
        both = [(cursor, lists[number : number + 1]) for cursor, lists in places]
        found: list[tuple[Cost, Cost]] = []
        while not found or (growth(*found[-1]) > MOST_GROWTH and len(found) < TRIES):
            small, large = next(scale_lists.side_by_side(both))
            found.append((small, large))
        yield min(found, key=lambda pair: growth(*pair))


def _world(name: str, orders: int, *, open_cases: int) -> list[Asked]:
    """A database of this name with so many orders and open cases; gives what every list asks of it."""
    from django.core.management import call_command
    from django.db import connection

    from bench import scale_lists, scale_rows

    connection.close()
    connection.settings_dict["NAME"] = "postgres"
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
        cursor.execute(f'CREATE DATABASE "{name}"')
    connection.close()
    connection.settings_dict["NAME"] = name
    begun = time.monotonic()
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    scale_rows.write(orders=orders, open_cases=open_cases)
    print(f"{orders:,} 张订单 / orders, {orders // scale_rows.ORDERS_A_PRODUCT:,} 件商品 / products, "
          f"{open_cases:,} + {orders:,} 张退款单 / cases open and at rest: "
          f"{time.monotonic() - begun:.0f} s", flush=True)  # fmt: skip
    return scale_lists.asked()


def _url(server_url: str, name: str) -> str:
    return urlsplit(server_url)._replace(path=f"/{name}").geturl()


def report(small: Sequence[Cost], large: Sequence[Cost]) -> int:
    """Prints every list with both sizes; the number of lists that failed."""
    failed = 0
    print(f"  {'p50':>8} {'p95':>8} {'p50 ×10':>8} {'p95 ×10':>8} {'比/ratio':>8} {'行/rows':>13}  列表 / list")
    for before, after in zip(small, large, strict=True):
        ratio = growth(before, after)
        is_fine = ratio <= MOST_GROWTH and not after.scans
        failed += not is_fine
        print(f"{'✓' if is_fine else '✗'} {before.p50_ms:8.2f} {before.p95_ms:8.2f} {after.p50_ms:8.2f}"
              f" {after.p95_ms:8.2f} {ratio:8.2f} {before.rows:>6}→{after.rows:<6}  {after.name}")  # fmt: skip
        print(f"    {'; '.join(after.nodes)}" + (f"  全表扫描 / scans: {after.scans}" if after.scans else ""))
    print(f"毫秒 / ms; 比 = p50 ÷ p50，低于 {FLOOR_MS:g} ms 按 {FLOOR_MS:g} ms 计 / below it counts as the floor; "
          f"目标 / goal ≤ {MOST_GROWTH:g}")  # fmt: skip
    return 1 if failed else 0


def growth(before: Cost, after: Cost) -> float:
    return max(after.p50_ms, FLOOR_MS) / max(before.p50_ms, FLOOR_MS)


if __name__ == "__main__":
    sys.exit(main())
