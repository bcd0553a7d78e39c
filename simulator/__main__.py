"""`python -m simulator --port P --data DIR`: start the simulated channels; Ctrl-C or SIGTERM ends it at once."""

from __future__ import annotations

import argparse
import fcntl
import gc
import json
import logging
import math
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import IO, Any, NoReturn

from simulator.alipay import notices as alipay_notices
from simulator.alipay.signing import load_or_make_alipay_keys
from simulator.issuer_keys import load_or_make_issuer_keys
from simulator.notifications import Courier
from simulator.rsa_keys import write_private
from simulator.schema import COLUMNS, SCHEMAS
from simulator.server import Server
from simulator.store import Store
from simulator.timekeeper import start_timekeeper
from simulator.tls import Certificates, names_to_certify
from simulator.wechat import complaint_book
from simulator.wechat import console as wechat_console
from simulator.wechat import notices as wechat_notices
from simulator.wechat.signing import load_or_make_keys
from simulator.world import World


def main() -> None:
    """Bind, write DIR/credentials.json, serve."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    arguments = _arguments()
    logging.basicConfig(stream=sys.stderr, format="simulator: %(message)s", level=logging.INFO)
    directory = Path(arguments.data)
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = _lock(directory)
        certificates = _certificates(arguments, directory)
        world = _world(directory, arguments.speed)
    except (OSError, sqlite3.Error, ValueError, TypeError) as error:
        _fail(f"数据目录不可用 / cannot use {directory}: {error}")
    server = _listen(arguments, world, certificates)
    scheme = "https" if certificates else "http"
    world.address = (arguments.address or f"{scheme}://127.0.0.1:{server.server_address[1]}").rstrip("/")
    write_private(directory / "credentials.json", json.dumps(_credentials(world, certificates), indent=1))
    Courier(world, DIALECTS).start()
    start_timekeeper(world)
    gc.freeze()
    gc.set_threshold(50_000)  # a call makes many objects, and none that only a search would free
    print(f"simulator: {world.address}  data: {directory}  speed: {arguments.speed:g}", flush=True)
    with lock:
        server.serve_forever(poll_interval=0.5)


DIALECTS = {
    "wechat": wechat_notices.DIALECT,
    "wechat_v2": wechat_console.DIALECT,
    "wechat_complaint": complaint_book.DIALECT,
    "alipay": alipay_notices.DIALECT,
}


def _certificates(arguments: argparse.Namespace, directory: Path) -> Certificates | None:
    if not arguments.tls:
        return None
    return Certificates(directory / "tls", names_to_certify(arguments.host, arguments.address))


def _world(directory: Path, speed: float) -> World:
    return World(
        load_or_make_keys(directory),
        load_or_make_alipay_keys(directory),
        load_or_make_issuer_keys(directory),
        Store(directory / "books.sqlite3", SCHEMAS, COLUMNS),
        speed,
    )


def _listen(arguments: argparse.Namespace, world: World, certificates: Certificates | None) -> Server:
    try:
        return Server((arguments.host, arguments.port), world, certificates.context() if certificates else None)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        _fail(f"无法监听端口 / cannot listen on {arguments.host}:{arguments.port}: {reason}")


def _credentials(world: World, certificates: Certificates | None) -> dict[str, Any]:
    """What clients need to know, each channel's under its name."""
    address = world.address
    known: dict[str, Any] = {
        "control": address,
        "wechat": world.keys.credentials(address),
        "alipay": world.alipay.credentials(address),
        "issuer": world.issuer.credentials(address),
    }
    return known | ({"ca_file": str(certificates.ca_file.resolve())} if certificates else {})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulator", description="模拟微信与支付宝 / simulated channels")
    parser.add_argument("--port", type=int, required=True, help="端口，0 为任选 / port, 0 for any free one")
    parser.add_argument("--data", required=True, help="数据目录：密钥与账簿 / folder of keys and books")
    parser.add_argument("--speed", type=_speed, default=1.0, help="等待时间除以它 / waiting times are divided by it")
    parser.add_argument("--host", default="127.0.0.1", help="监听地址 / address to listen on")
    parser.add_argument("--address", help="写入 credentials.json 的地址 / address that others reach it at, http://…")
    parser.add_argument("--tls", action="store_true", help="HTTPS，证书现场生成 / HTTPS, certificate made on the spot")
    return parser.parse_args()


def _speed(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value <= 0:
        raise argparse.ArgumentTypeError("须为正数 / must be a positive number")
    return value


def _lock(directory: Path) -> IO[str]:
    """Two simulators on one folder would both send every notification."""
    file = (directory / "lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        _fail(f"另一个模拟器正在使用这个目录 / another simulator uses {directory}")
    return file


def _fail(message: str) -> NoReturn:
    print(f"simulator: {message}", file=sys.stderr)
    raise SystemExit(2)


def _stop(signum: int, frame: object) -> NoReturn:
    """What is committed is safe and what is not never happened, so there is nothing to wait for."""
    os._exit(0)


if __name__ == "__main__":
    main()
