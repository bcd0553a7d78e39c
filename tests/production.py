"""Runs a command in an environment like production's: live channel, https, fresh keys. `make check` uses it.

python tests/production.py python manage.py check --deploy
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cardshop import outside  # noqa: E402
from cardshop.embedded import write_secret  # noqa: E402


def environment(keys: Path) -> dict[str, str]:
    """What production sets, with keys made on the spot and a database that nobody listens for."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    texts = {
        "apiv3_key": secrets.token_hex(16),
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "public_key": key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    }
    for name, text in texts.items():
        write_secret(keys / name, text)
    return {
        "DJANGO_SETTINGS_MODULE": "cardshop.settings",
        "SITE_URL": "https://shop.example",
        "DATABASE_URL": "postgres://cardshop@127.0.0.1:1/cardshop",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "CHANNELS": "live",
        "WECHAT_MCHID": "1900000001",
        "WECHAT_APPID": "wx0000000000000001",
        "WECHAT_CERT_SERIAL_NO": "0" * 40,
        "WECHAT_PUBLIC_KEY_ID": "PUB_KEY_ID_0000000000000000000001",
        **{f"WECHAT_{name.upper()}_FILE": str(keys / name) for name in texts},
        **outside.own_keys(keys),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="cardshop-production-") as folder:
        env = {**os.environ, **environment(Path(folder))}
        sys.exit(subprocess.run(sys.argv[1:], cwd=ROOT, env=env, check=False).returncode)
