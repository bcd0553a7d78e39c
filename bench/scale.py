"""`make bench-scale`: no list and no search may cost more because the tables have grown tenfold.

python -m bench.scale [--orders 1000000] [--json scale.json]

Writes a marketplace of a tenth of the orders, asks for every list, lets it grow tenfold, and asks again. A list fails
if its plan scans a big table, or if its median database time has grown by more than half. Times below ``FLOOR_MS``
count as ``FLOOR_MS``: down there one measures the machine, not the plan. The database is an embedded PostgreSQL of its
own, or the empty one that BENCH_DATABASE_URL names.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from cardshop import embedded

if TYPE_CHECKING:
    from bench.scale_lists import Cost

MOST_GROWTH = 1.5
FLOOR_MS = 1.0


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
            return run(embedded.create_database(data, port, "scale"), options.orders, options.json)
        finally:
            server.stop()
            embedded.remove_postgres(data)


def run(database_url: str, orders: int, written_to: Path | None) -> int:
    os.environ |= {
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "cardshop.settings",
        "STATIC_MANIFEST": "0",
    }
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    small = _grown_to(orders // 10, after=0)
    large = _grown_to(orders, after=orders // 10)
    if written_to:
        figures = [{"before": asdict(one), "after": asdict(other)} for one, other in zip(small, large, strict=True)]
        written_to.write_text(json.dumps(figures, ensure_ascii=False, indent=1))
    return report(small, large)


def _grown_to(orders: int, *, after: int) -> list[Cost]:
    from bench import scale_lists, scale_rows

    begun = time.monotonic()
    scale_rows.write(orders=orders, after=after)
    print(f"{orders:,} 张订单 / orders, {orders // scale_rows.ORDERS_A_PRODUCT:,} 件商品 / products: "
          f"{time.monotonic() - begun:.0f} s", flush=True)  # fmt: skip
    return scale_lists.measure()


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
