"""`make bench`: measure, print each figure beside its goal, and fail if one is missed.

python -m bench [--calls 300] [--rounds 3] [--threads 4] [--cases 10000] [--lines 50000] [--refunds 2000]
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from bench import gateways, pipeline, reconciliation, simulation


@dataclass(frozen=True)
class Figure:
    """One measured ratio and the most that it may be."""

    name: str
    value: float
    most: float
    detail: str

    @property
    def is_met(self) -> bool:
        return self.value <= self.most


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=800, help="每轮退款笔数 / refunds a round")
    parser.add_argument("--rounds", type=int, default=3, help="轮数，取中位数 / rounds, of which the median counts")
    parser.add_argument("--threads", type=int, default=4, help="客户端线程 / client threads")
    parser.add_argument("--cases", type=int, default=10_000, help="试算件数 / past cases that a policy is tried on")
    parser.add_argument("--lines", type=int, default=50_000, help="账单行数 / lines of a bill that is reconciled")
    parser.add_argument("--refunds", type=int, default=2_000, help="从申请到到账的笔数 / refunds from POST to arrival")
    parser.add_argument("--clients", type=int, default=4, help="同时申请的买家 / buyers who ask at the same time")
    options = parser.parse_args()
    print("网关 / gateways: HTTPS, 完整的公共 CA 列表 / the full public CA bundle", flush=True)
    measured = gateways.measure(calls=options.calls, rounds=options.rounds, threads=options.threads)
    print("试算 / policy trials: PostgreSQL, 依据由随机生成 / facts drawn by chance", flush=True)
    tried = simulation.measure(cases=options.cases)
    print("对账 / reconciling: PostgreSQL, 一天的账单 / the bill of a day", flush=True)
    day = reconciliation.measure(lines=options.lines)
    print("全程 / the whole pipeline: 申请（HTTP）到到账 / from a POST to arrival, 渠道 50 ms", flush=True)
    whole = pipeline.measure(refunds=options.refunds, clients=options.clients)
    found = [*gateways.figures(measured), *simulation.figures(tried), *reconciliation.figures(day)]
    figures = [Figure(*line) for line in [*found, *[figure for each in whole for figure in pipeline.figures(each)]]]
    for figure in figures:
        mark = "✓" if figure.is_met else "✗"
        print(f"  {mark} {figure.name:<58} {figure.value:8.3f}   ≤ {figure.most:g}   {figure.detail}")
    return 0 if all(figure.is_met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
