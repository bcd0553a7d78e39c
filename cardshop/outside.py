"""The outside world of a demo or a test: the simulator as a child process, and the settings that point at it.

As a program, `python -m cardshop.outside COMMAND …` runs COMMAND with those settings if SIMULATOR_DATA names the
simulator's folder (docker-compose.yml does so), and as it is if not.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from cardshop.embedded import write_secret
from cardshop.supervisor import Child
from shops import vault

ROOT = Path(__file__).resolve().parent.parent


def simulator(data: Path, port: int, *, speed: float, log: Path, host: str = "127.0.0.1", address: str = "") -> Child:
    """The simulator on `port`, its books in `data`, its time `speed` times as fast; `address` is how others reach it."""
    data.mkdir(parents=True, exist_ok=True)
    return Child(
        name="simulator",
        command=[
            sys.executable, "-m", "simulator", "--port", str(port), "--host", host, "--data", data,
            "--speed", f"{speed:g}", "--address", address or f"http://{host}:{port}",
        ],  # fmt: skip
        log=log,
        cwd=ROOT,
        ready=lambda: answers_ok(f"http://127.0.0.1:{port}/healthz"),
    )


def simulated_channels(data: Path, keys: Path) -> dict[str, str]:
    """Settings with which the shop talks to the simulator whose books are in `data`; key files go to `keys`."""
    credentials = json.loads((data / "credentials.json").read_text())
    wechat = credentials["wechat"]
    files = {}
    for name in ("apiv3_key", "private_key", "public_key"):
        path = keys / f"wechat_{name}"
        write_secret(path, wechat[name])
        files[f"WECHAT_{name.upper()}_FILE"] = str(path)
    return files | {
        "CHANNELS": "simulated",
        "SIMULATOR_CONTROL": credentials["control"],
        "WECHAT_GATEWAY": wechat["gateway"],
        "WECHAT_MCHID": wechat["mchid"],
        "WECHAT_APPID": wechat["appid"],
        "WECHAT_CERT_SERIAL_NO": wechat["cert_serial_no"],
        "WECHAT_PUBLIC_KEY_ID": wechat["public_key_id"],
    }


def own_keys(keys: Path) -> dict[str, str]:
    """The shop's own secrets, made on first use: Django's secret key and the key that encrypts card codes."""
    return {
        "SECRET_KEY_FILE": str(made_once(keys / "secret_key", secrets.token_urlsafe(64))),
        "CARD_KEYS_FILE": str(card_keys(keys / "card_keys")),
    }


def card_keys(path: Path) -> Path:
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        vault.generate_key_file(path)
    return path


def made_once(path: Path, text: str) -> Path:
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret(path, text)
    return path


def answers_ok(url: str) -> bool:
    """Whether a GET there is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def main(command: list[str]) -> None:
    """Become the command."""
    env = dict(os.environ)
    if books := env.get("SIMULATOR_DATA"):
        env |= simulated_channels(Path(books), Path(tempfile.mkdtemp(prefix="cardshop-keys-")))
    os.execvpe(command[0], command, env)  # noqa: S606 - the container's own command


if __name__ == "__main__":
    main(sys.argv[1:])
