"""A measurement in a process of its own, on an embedded PostgreSQL of its own, in an environment like production's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardshop import embedded

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ROOT = Path(__file__).resolve().parent.parent


def measured(module: str, size: int) -> dict[str, Any]:
    """What ``python -m module size`` found. Raises CalledProcessError if that process fails."""
    words = [sys.executable, "tests/production.py", sys.executable, "-m", module, str(size)]
    done = subprocess.run(words, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE)  # noqa: S603 - our own
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said | {"peaks": tuple(said["peaks"])}


def main(run: Callable[[int], DataclassInstance]) -> int:
    """In that process: ``run`` with an empty database of this process's own; its findings are printed as JSON."""
    with tempfile.TemporaryDirectory(prefix="cardshop-bench-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run as another account
        data, port = Path(folder) / "postgres", embedded.free_ports(1)[0]
        server = embedded.postgres(data, port, Path(folder) / "postgres.log")
        server.start()
        try:
            server.wait_until_ready(60)
            os.environ["DATABASE_URL"] = embedded.postgres_url(data, port, "postgres")
            print(json.dumps(asdict(run(int(sys.argv[1])))))
        finally:
            server.stop()
            embedded.remove_postgres(data)
    return 0
