"""The buyers of the pipeline's bench: each client asks for the next refund as soon as it was answered.

    python -m bench.pipeline_load ADDRESS CLIENTS    < lines of [session key, [order number, …]], as JSON

A line is a request: one order is asked for by itself, more in a batch.

Kept-alive connections, session cookie and CSRF token, as the API demands. Prints when it began and how long each took.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

TOKEN = "b" * 32


def main() -> None:
    address, clients = sys.argv[1], int(sys.argv[2])
    waiting = iter([json.loads(line) for line in sys.stdin])
    began = time.time()
    with ThreadPoolExecutor(clients) as pool:
        jobs = [pool.submit(_ask, address, waiting) for _ in range(clients)]
        took = [seconds for job in jobs for seconds in job.result()]
    print(json.dumps({"began": began, "ended": time.time(), "took": sorted(took)}))


def _ask(address: str, waiting: Iterator[tuple[str, list[str]]]) -> list[float]:
    at = urlsplit(address)
    connection = http.client.HTTPConnection(at.hostname or "", at.port or 80, timeout=60)
    took = []
    for session, order_nos in waiting:  # of a list: taking the next is one step of the interpreter
        head = {
            "Content-Type": "application/json",
            "Cookie": f"sessionid={session}; csrftoken={TOKEN}",
            "X-CSRFToken": TOKEN,
        }
        path, asked = request_for(order_nos)
        began = time.perf_counter()
        connection.request("POST", path, json.dumps(asked), head)
        answer = connection.getresponse()
        body = answer.read()
        took.append(time.perf_counter() - began)
        if answer.status not in {200, 201}:
            raise SystemExit(f"{order_nos}: {answer.status} {body[:300]!r}")
    return took


def request_for(order_nos: list[str]) -> tuple[str, dict[str, Any]]:
    """(path, body) to ask for these."""
    if len(order_nos) == 1:
        return "/api/refunds/", {"order_no": order_nos[0], "reason": "changed_mind"}
    return "/api/refunds/batch/", {"order_nos": order_nos, "reason": "changed_mind"}


if __name__ == "__main__":
    main()
