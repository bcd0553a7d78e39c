"""The examples of docs/api.md are run as they stand, against a server that listens."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cast import PASSWORD

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()


def example(language: str) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", TEXT.split("## 地址")[0], re.DOTALL)
    return block.replace("cardshop-demo", PASSWORD)


@pytest.fixture
def order(transactional_db, buy):
    return buy(price_fen=3000)


def test_the_python_example_lists_the_buyers_orders(order, live_server, capsys):
    exec(example("python").replace("http://127.0.0.1:8000", live_server.url), {})
    assert order.order_no in capsys.readouterr().out


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_the_curl_example_asks_for_a_refund(order, live_server, tmp_path):
    script = example("sh").replace("http://127.0.0.1:8000", live_server.url).replace("D…", order.order_no)
    done = subprocess.run(["sh", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert f'"order_no":"{order.order_no}"' in done.stdout
    assert order.refunds.count() == 1
