"""What docker-compose.yml gets from `python -m cardshop.outside`."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import yaml

from shops.vault import keyring

ROOT = Path(__file__).resolve().parent.parent


def outside(*words: str, **env: str) -> str:
    command = [sys.executable, "-m", "cardshop.outside", *words]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=True
    ).stdout


def test_secrets_are_made_once_in_a_closed_folder(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    outside("--secrets", str(folder))
    first = {path.name: path.read_text() for path in folder.iterdir()}
    outside("--secrets", str(folder))
    assert {path.name: path.read_text() for path in folder.iterdir()} == first
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert first["postgres_password"] in first["database_owner_url"]
    assert first["postgres_password"] not in first["database_url"]  # the application is not the owner
    assert keyring(folder / "card_keys").active


def test_every_secret_of_the_compose_file_is_made(tmp_path: Path) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    outside("--secrets", str(tmp_path / "secrets"))
    assert {path.name for path in (tmp_path / "secrets").iterdir()} == set(compose["secrets"])


def test_whatever_the_messages_need_reaches_the_services() -> None:
    """Named in settings and not in the compose file, a setting would be silently empty there."""
    named = set(re.findall(r'"((?:SMS|WECHAT_MESSAGES)_[A-Z_]+)"', (ROOT / "cardshop" / "settings.py").read_text()))
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert "SMS_TENCENT_TEMPLATES" in named
    assert [name for name in ("web", "worker", "migrate") if named - set(services[name]["environment"])] == []


def test_a_command_gets_the_simulators_credentials(tmp_path: Path) -> None:
    books = str(Path(os.environ["WECHAT_PRIVATE_KEY_FILE"]).parent.parent / "simulator")
    program = "import os; print(os.environ['WECHAT_MCHID'], open(os.environ['WECHAT_PUBLIC_KEY_FILE']).read())"
    show = [sys.executable, "-c", program]
    expected = Path(os.environ["WECHAT_PUBLIC_KEY_FILE"]).read_text()
    shown = outside(*show, TMPDIR=str(tmp_path), SIMULATOR_DATA=books, WECHAT_MCHID="", WECHAT_PUBLIC_KEY_FILE="")
    assert shown.strip() == f"{os.environ['WECHAT_MCHID']} {expected}".strip()


def test_without_a_simulator_a_command_runs_as_it_is() -> None:
    assert outside("printenv", "WECHAT_MCHID", SIMULATOR_DATA="", WECHAT_MCHID="mine").strip() == "mine"
