"""The process: its keys and books outlive it, it says clearly why it cannot start, and it ends at once."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_keys_and_books_outlive_the_process(
    start_gateway: Callable[..., Any], deaf_url: str, how: signal.Signals
) -> None:
    gateway = start_gateway(speed=1)
    number = gateway.paid_order(deaf_url)
    gateway.refund(number, f"{number}R1", 400)
    gateway.fault("http_429", request_no=f"{number}R1")
    gateway.control("clock", {"advance_seconds": 30})
    before, keys = gateway.ledger(), gateway.credentials
    assert gateway.stop(how) == (0 if how == signal.SIGTERM else -how)

    gateway.start()
    after = gateway.ledger()
    assert gateway.credentials == keys
    assert [after[name] for name in ("payments", "refunds", "faults")] == [
        before[name] for name in ("payments", "refunds", "faults")
    ]
    assert after["now"] >= before["now"]
    assert gateway.refund(number, f"{number}R1", 400)[0] == 429
    gateway.control("clock", {"advance_seconds": 31})
    assert gateway.query_refund(f"{number}R1")["status"] == "SUCCESS"


def test_nothing_that_was_answered_is_lost_by_a_kill(start_gateway: Callable[..., Any], deaf_url: str) -> None:
    gateway = start_gateway(speed=1)
    number = gateway.paid_order(deaf_url)
    for round_number in range(5):
        refund_no = f"{number}R{round_number}"
        assert gateway.refund(number, refund_no, 100)[0] == 200
        gateway.stop(signal.SIGKILL)
        gateway.start()
        assert gateway.in_ledger("refunds", refund_no)["effects"] == 1
        gateway.control("clock", {"advance_seconds": 61})


def test_the_credentials_are_the_owners_alone(gateway: Any) -> None:
    for name in ("credentials.json", "keys.json", "alipay-keys.json"):
        assert stat.S_IMODE((gateway.folder / name).stat().st_mode) == 0o600
    assert set(gateway.credentials) == {"control", "wechat", "alipay", "issuer"}
    assert set(gateway.keys) == {
        "mchid", "appid", "apiv3_key", "cert_serial_no", "private_key", "public_key", "public_key_id", "gateway",
        "platform_certificate", "platform_serial_no", "merchant_certificate", "app_secret", "openid", "oauth_gateway",
    }  # fmt: skip
    assert len(gateway.keys["apiv3_key"]) == 32
    assert gateway.keys["public_key_id"].startswith("PUB_KEY_ID_")
    assert gateway.keys["gateway"] == f"http://127.0.0.1:{gateway.port}"
    assert not [path for path in gateway.folder.iterdir() if path.name.startswith(".")]


def start_and_fail(*arguments: str) -> tuple[int, str]:
    result = subprocess.run(
        [sys.executable, "-m", "simulator", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    return result.returncode, result.stderr


def test_a_busy_port_gets_one_clear_line(gateway: Any, tmp_path: Path) -> None:
    code, said = start_and_fail("--port", str(gateway.port), "--data", str(tmp_path))
    assert (code, len(said.splitlines())) == (2, 1)
    assert str(gateway.port) in said
    assert not (tmp_path / "credentials.json").exists()


def test_two_simulators_do_not_share_a_folder(gateway: Any) -> None:
    code, said = start_and_fail("--port", "0", "--data", str(gateway.folder))
    assert (code, len(said.splitlines())) == (2, 1)
    assert str(gateway.folder) in said
    assert json.loads((gateway.folder / "credentials.json").read_text()) == gateway.credentials


def test_a_folder_that_cannot_be_made_gets_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, said = start_and_fail("--port", "0", "--data", str(tmp_path / "file" / "data"))
    assert (code, len(said.splitlines())) == (2, 1)


@pytest.mark.parametrize("name", ["keys.json", "books.sqlite3"])
def test_spoiled_books_get_one_clear_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("not what it should be " * 100)
    code, said = start_and_fail("--port", "0", "--data", str(tmp_path))
    assert (code, len(said.splitlines())) == (2, 1)


@pytest.mark.parametrize("arguments", [["--speed", "0"], ["--speed", "nan"], ["--port", "70000"], ["--port", "x"]])
def test_arguments_that_make_no_sense_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    code, said = start_and_fail("--port", "0", "--data", str(tmp_path), *arguments)
    assert code == 2
    assert "Traceback" not in said


def test_it_imports_nothing_of_the_shop() -> None:
    program = "import sys, simulator.__main__; print(*{name.partition('.')[0] for name in sys.modules})"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ | {}
    )
    loaded = set(result.stdout.split())
    ours = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()} - {"simulator"}
    assert ours
    assert not loaded & (ours | {"django", "celery", "requests", "wechatpayv3"})
