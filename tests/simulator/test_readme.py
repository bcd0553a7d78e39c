"""What the README tells those who have no Python works: a shell, curl and openssl."""

from __future__ import annotations

import re
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

README = Path(__file__).resolve().parent.parent.parent / "simulator" / "README.md"


def test_the_shell_examples_of_the_readme_run(start_gateway: Any) -> None:
    gateway = start_gateway()
    gateway.control("clock", {"advance_seconds": 86400})
    now = datetime.fromisoformat(gateway.ledger()["now"])
    day = (now - timedelta(days=5)).date().isoformat()
    script = re.findall(r"```bash\n(.*?)```", README.read_text(), re.DOTALL)[0]
    assert "DATA=.local/simulator" in script
    script = script.replace("DATA=.local/simulator", f"DATA={gateway.folder}").replace("2026-11-21", day)
    result = subprocess.run(["bash", "-eo", "pipefail", "-c", script], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "weixin://wxpay/bizpayurl?pr=" in result.stdout
    assert "Verified OK" in result.stdout
    assert '"state": "unused"' in result.stdout
    assert '"status": "SUCCESS"' in result.stdout, "the refund"
    assert "`SHELL00002" in result.stdout, "the bill"
