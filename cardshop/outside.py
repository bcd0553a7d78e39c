"""The outside world of a demo or a test: the simulator as a child process, and the settings that point at it.

As a program it serves docker-compose.yml: `python -m cardshop.outside COMMAND …` runs COMMAND with those settings if
SIMULATOR_DATA names the simulator's folder, and as it is if not; `--secrets FOLDER` makes the secret files.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from cardshop.embedded import write_secret
from cardshop.supervisor import Child
from records import signing
from shops import vault

ROOT = Path(__file__).resolve().parent.parent


def simulator(data: Path, port: int, speed: float, log: Path, host: str = "127.0.0.1") -> Child:
    """The simulator on `port`, its books in `data`, its time `speed` times as fast.

    With host 0.0.0.0 phones in this network reach it too.
    """
    data.mkdir(parents=True, exist_ok=True)
    address = f"http://{name_of(host)}:{port}"
    words = ["--port", str(port), "--host", host, "--address", address, "--data", str(data), "--speed", f"{speed:g}"]
    return Child(
        name="simulator",
        command=[sys.executable, "-m", "simulator", *words],
        log=log,
        cwd=ROOT,
        ready=lambda: answers_ok(f"{address}/healthz"),
    )


def name_of(host: str) -> str:
    """What others type to reach a server that listens on `host`: for 0.0.0.0 this machine's address in its network."""
    if host != "0.0.0.0":  # noqa: S104
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only asks which address would be used
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def simulated_channels(data: Path, keys: Path) -> dict[str, str]:
    """Settings with which the shop talks to the simulator whose books are in `data`; key files go to `keys`."""
    credentials = json.loads((data / "credentials.json").read_text())
    wechat, alipay, issuer = credentials["wechat"], credentials["alipay"], credentials["issuer"]
    secrets_of = {
        "wechat_apiv3_key": wechat["apiv3_key"],
        "wechat_private_key": wechat["private_key"],
        "wechat_public_key": wechat["public_key"],
        "wechat_app_secret": wechat.get("app_secret", ""),
        "alipay_app_private_key": alipay["app_private_key"],
        "alipay_public_key": alipay["alipay_public_key"],
        "supplier_issuer_key": issuer["supplier_key"],
        "supplier_issuer_public_key": issuer["public_key"],
    }
    for name, text in secrets_of.items():
        write_secret(keys / name, text)
    files = {f"{name.upper()}_FILE": str(keys / name) for name in secrets_of}
    return files | {
        "CHANNELS": "simulated",
        "SIMULATOR_CONTROL": credentials["control"],
        "WECHAT_GATEWAY": wechat["gateway"],
        "WECHAT_MCHID": wechat["mchid"],
        "WECHAT_APPID": wechat["appid"],
        "WECHAT_CERT_SERIAL_NO": wechat["cert_serial_no"],
        "WECHAT_PUBLIC_KEY_ID": wechat["public_key_id"],
        "WECHAT_OAUTH_GATEWAY": wechat.get("oauth_gateway", ""),
        "ALIPAY_GATEWAY": alipay["gateway"],
        "ALIPAY_APP_ID": alipay["app_id"],
        "ALIPAY_SELLER_ID": alipay["seller_id"],
        "SUPPLIER_ISSUER_GATEWAY": issuer["gateway"],
        "SUPPLIER_ISSUER_ID": issuer["supplier_id"],
    }


def own_keys(keys: Path) -> dict[str, str]:
    """The shop's own secrets, made on first use: Django's secret key, the key that encrypts card codes, and the one
    that signs the record."""
    return {
        "SECRET_KEY_FILE": str(made_once(keys / "secret_key", secrets.token_urlsafe(64))),
        "CARD_KEYS_FILE": str(card_keys(keys / "card_keys")),
        "RECORD_KEY_FILE": str(made_once(keys / "record_key", signing.fresh_key())),
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


def compose_secrets(folder: Path) -> None:
    """The files that docker-compose.yml hands to its services. What exists is kept; the channels' wait to be filled in.

    The folder is closed to others; the files are not, because the account in the containers has another number.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    own_keys(folder)
    password = made_once(folder / "postgres_password", secrets.token_urlsafe(24)).read_text()
    made_once(folder / "database_owner_url", f"postgres://cardshop:{password}@postgres:5432/cardshop")
    mine = f"postgres://cardshop_app:{secrets.token_urlsafe(24)}@postgres:5432/cardshop"
    made_once(folder / "database_url", mine)  # the application's own role: cardshop/grants.py
    channels = ("wechat_apiv3_key", "wechat_private_key", "wechat_public_key", "wechat_app_secret",
                "alipay_app_private_key", "alipay_public_key")  # fmt: skip
    suppliers = ("supplier_issuer_key", "supplier_issuer_public_key")
    messages = ("sms_tencent_secret_key", "wechat_messages_secret")
    for name in channels + suppliers + messages:
        made_once(folder / name, "")
    for path in folder.iterdir():
        path.chmod(0o644)


def main(words: list[str]) -> None:
    """`--secrets FOLDER`, or a command to become."""
    if words[0] == "--secrets":
        compose_secrets(Path(words[1]))
        return
    env = dict(os.environ)
    if books := env.get("SIMULATOR_DATA"):
        env |= simulated_channels(Path(books), Path(tempfile.mkdtemp(prefix="cardshop-keys-")))
    os.execvpe(words[0], words, env)  # noqa: S606 - the container's own command


if __name__ == "__main__":
    main(sys.argv[1:])
