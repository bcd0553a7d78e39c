"""`make demo`: the whole shop on this machine, from nothing, with one command.

    python -m cardshop.demo               start everything, stay until Ctrl-C
    python -m cardshop.demo doctor        run `manage.py doctor` (or any other command) against the running demo

Variables: PORT (8000), HOST (127.0.0.1), CARDSHOP_DATA (.local), RESET=1, DEMO_SPEED (60), DATABASE_URL, REDIS_URL.
It reads no Django settings: it makes the environment that they are read from, for its children.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psycopg2

from cardshop import embedded, outside, translations
from cardshop.supervisor import Child, ChildFailed, Stopped, Supervisor

ROOT = Path(__file__).resolve().parent.parent
HIGHEST_PORT = 32_767  # above, systems lend ports to clients: one of ours could be taken at any moment
PORTS_USED = 4  # web, simulator, PostgreSQL, Valkey
NEEDED_MB = 500
MARKER = ".cardshop-demo"
LOGINS = "buyer buyer2 merchant merchant2 support support2 senior senior2 finance finance2 admin"
PASSWORD = "cardshop-demo"  # noqa: S105 - public, and refused outside the demo


class CannotStart(Exception):
    """Something on this machine is in the way. The text is one line that says what to do."""


def main(arguments: list[str]) -> int:
    """Start the demo and keep it running; or run one manage.py command in the running demo's environment."""
    try:
        options = Options.of(os.environ)
        if arguments:
            return manage(options, arguments)
        with Supervisor() as supervisor:
            try:
                Demo(options, supervisor).run()
            except Exception as error:
                if supervisor.signals:  # a step was cut short by the same Ctrl-C
                    raise Stopped from error
                raise
    except Stopped:
        say("已停止 / stopped. 数据保留，下次 make demo 继续 / data are kept")
    except (CannotStart, ChildFailed, OSError, RuntimeError) as error:
        print(f"✗ {error}", file=sys.stderr, flush=True)
        return 1
    return 0


@dataclass(frozen=True)
class Options:
    """What the environment asks for."""

    host: str
    port: int
    data: Path
    reset: bool
    speed: float
    given: Mapping[str, str]

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Options:
        try:
            port, speed = int(env.get("PORT") or 8000), float(env.get("DEMO_SPEED") or 60)
        except ValueError as error:
            raise CannotStart(f"PORT 与 DEMO_SPEED 须为数字 / must be numbers: {error}") from error
        highest = HIGHEST_PORT - PORTS_USED + 1
        if not 1024 <= port <= highest:
            raise CannotStart(f"PORT={port}: 请选择 1024–{highest} / choose one from 1024 to {highest}")
        if env.get("CHANNELS", "simulated") != "simulated":
            raise CannotStart("演示只用模拟渠道 / the demo moves no real money: unset CHANNELS")
        reset = env.get("RESET", "") not in {"", "0"}
        if reset and env.get("DATABASE_URL"):
            raise CannotStart("RESET 不清空外部数据库 / RESET does not empty a DATABASE_URL: make a new one yourself")
        data = Path(env.get("CARDSHOP_DATA") or ROOT / ".local").expanduser().resolve()
        return cls(env.get("HOST") or "127.0.0.1", port, data, reset, speed, env)

    @property
    def address(self) -> str:
        """Where people find the shop; with HOST=0.0.0.0 this machine's address in its own network."""
        if site := self.given.get("SITE_URL"):
            return site.rstrip("/")
        return f"http://{outside.name_of(self.host)}:{self.port}"

    @property
    def local(self) -> str:
        """Where this machine itself finds the shop."""
        return f"http://{'127.0.0.1' if self.host == '0.0.0.0' else self.host}:{self.port}"  # noqa: S104

    @property
    def ports(self) -> dict[str, int]:
        """The ports that this run will open, by name."""
        found = {"web": self.port}
        if "WECHAT_GATEWAY" not in self.given:
            found["simulator"] = self.port + 1
        if not self.given.get("DATABASE_URL"):
            found["postgres"] = self.port + 2
        if not self.given.get("REDIS_URL"):
            found["valkey"] = self.port + 3
        return found


@dataclass
class Demo:
    """One run: the steps in their order, and the environment that grows with them."""

    options: Options
    supervisor: Supervisor
    env: dict[str, str] = field(default_factory=dict)
    lock: IO[str] | None = None
    step: int = 0
    owner: str = ""  # the address of who owns the tables, where PostgreSQL is ours

    def run(self) -> None:
        """Start all parts, say where they are, and keep them running until a signal arrives."""
        self.supervisor.on_change = self.write_down
        say(f"卡盟退款演示 / card-shop demo — {self.options.data}")
        with self.progress("检查本机", "look at this machine"):
            self.take_folder()
            self.check_machine()
            self.own_environment()
        with self.progress("数据库 PostgreSQL", "database"):
            self.start_postgres()
        with self.progress("消息 Valkey", "broker"):
            self.start_valkey()
        with self.progress("渠道模拟器", "channels' simulator"):
            self.start_simulator()
        with self.progress("建表与静态文件", "migrations, static files"):
            translations.compile_all()
            self.prepare()
            self.forget_heartbeats()
        with self.progress("演示数据", "demo data"):
            self.manage("seed")
        with self.progress("网站、Celery worker、beat", "web, worker, beat"):
            self.start_shop()
        with self.progress("等待就绪", "wait for /readyz"):
            self.wait_until_ready()
        self.greet()
        self.supervisor.watch()

    # --- before anything starts ---

    def take_folder(self) -> None:
        """Make the data folder ours, or say why it can't be."""
        data = self.options.data
        try:
            data.mkdir(parents=True, exist_ok=True)
            if any(data.iterdir()) and not (data / MARKER).exists():
                raise CannotStart(f"{data} 里有别的文件 / holds other files: set CARDSHOP_DATA to a new folder")
            (data / MARKER).touch()
            data.chmod(0o711)  # PostgreSQL passes through as another account when we are root
            self.lock = (data / MARKER).open("r+")
        except OSError as error:
            raise CannotStart(f"{data} 不可写 / cannot be written ({error.strerror}): set CARDSHOP_DATA") from error
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            where = running_demo(data).get("web", "")
            raise CannotStart(f"演示已在运行 / a demo already runs on {data} {where}".rstrip()) from error
        if self.options.reset:
            empty(data)
        for private in ("logs", "keys", "media", "simulator"):
            (data / private).mkdir(mode=0o700, exist_ok=True)

    def check_machine(self) -> None:
        """The usual obstacles, each with its one line, before they can turn up in some log."""
        needed = int(self.options.given.get("DEMO_NEEDS_MB") or NEEDED_MB)
        free = shutil.disk_usage(self.options.data).free // 1_000_000
        if free < needed:
            raise CannotStart(f"磁盘空间不足 / disk full: {self.options.data} 剩 {free} MB，需 {needed} MB")
        for name, port in self.options.ports.items():
            if not embedded.port_is_free(self.options.host if name == "web" else "127.0.0.1", port):
                raise CannotStart(
                    f"端口 {port}（{name}）已被占用 / port is busy. 换一个 / choose another: make demo PORT=9000"
                )

    def own_environment(self) -> None:
        """The settings that need no other part."""
        data = self.options.data
        hosts = {"127.0.0.1", "localhost", self.options.address.split("://")[1].rsplit(":", 1)[0]}
        self.env |= outside.own_keys(data / "keys") | {
            "DJANGO_SETTINGS_MODULE": "cardshop.settings",
            "DEMO": "1",
            "WEBHOOKS_MAY_STAY_HERE": "1",
            "DEBUG": "0",  # with it on, Django keeps every query in memory
            "TIME_SCALE": self.options.given.get("TIME_SCALE", "0.05"),
            "SITE_URL": self.options.address,
            "ALLOWED_HOSTS": self.options.given.get("ALLOWED_HOSTS") or ",".join(sorted(hosts)),
            "MEDIA_ROOT": str(data / "media"),
            "STATIC_ROOT": str(data / "static"),
            "STATIC_MANIFEST": "1",
        }

    # --- parts ---

    def start_postgres(self) -> None:
        if url := self.options.given.get("DATABASE_URL"):
            if not embedded.answers_sql(url):
                raise CannotStart("DATABASE_URL 连不上 / cannot be reached")
        else:
            data, port = self.options.data / "postgres", self.options.ports["postgres"]
            self.supervisor.add(embedded.postgres(data, port, self.log("postgres")))
            self.owner = embedded.create_database(data, port, "cardshop")
            url = embedded.application_url(data, port, "cardshop")
        self.env["DATABASE_URL"] = url

    def start_valkey(self) -> None:
        if url := self.options.given.get("REDIS_URL"):
            if not embedded.answers_ping(url):
                raise CannotStart("REDIS_URL 连不上 / cannot be reached")
        else:
            data, port = self.options.data / "valkey", self.options.ports["valkey"]
            self.supervisor.add(embedded.valkey(data, port, self.log("valkey")))
            url = embedded.valkey_url(data, port)
        self.env["REDIS_URL"] = url

    def start_simulator(self) -> None:
        """Our own simulator, or whatever speaks the protocol at WECHAT_GATEWAY."""
        if "WECHAT_GATEWAY" in self.options.given:
            return
        data, port = self.options.data / "simulator", self.options.ports["simulator"]
        simulator = outside.simulator(data, port, self.options.speed, self.log("simulator"), self.options.host)
        self.supervisor.add(simulator)
        self.env |= outside.simulated_channels(data, self.options.data / "keys")

    def start_shop(self) -> None:
        bind = f"{self.options.host}:{self.options.port}"
        web = ["gunicorn", "cardshop.wsgi", "--bind", bind, "--no-control-socket", "--preload",
               "--worker-class", "gthread", "--workers", "2", "--threads", "8",
               "--timeout", "60", "--graceful-timeout", "10"]  # fmt: skip
        worker = ["celery", "-A", "cardshop", "worker", "--pool", "prefork", "-c", "2", "-Q", "celery",
                  "--without-gossip", "--without-mingle", "--loglevel", "WARNING"]  # fmt: skip
        beat = ["celery", "-A", "cardshop", "beat", "--pidfile", "", "-s", str(self.options.data / "beat-schedule"),
                "--loglevel", "WARNING"]  # fmt: skip
        self.supervisor.add(self.child("beat", beat))
        self.supervisor.add(self.child("worker", worker))
        self.supervisor.add(self.child("web", web, ready=f"{self.options.local}/healthz"))

    def wait_until_ready(self, seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while not outside.answers_ok(f"{self.options.local}/readyz"):
            self.supervisor.interrupted()
            self.supervisor.revive()
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"{seconds:.0f} 秒内未就绪 / not ready. 运行 / run: make doctor; logs: {self.log('*')}"
                )
            time.sleep(0.2)

    def greet(self) -> None:
        site = self.options.address
        simulator = self.env_value("SIMULATOR_CONTROL") or self.env_value("WECHAT_GATEWAY")
        say(f"""
✓ 就绪 / ready

  商城 shop            {site}/
  客服与财务 staff     {site}/admin/
  接口文档 API docs    {site}/api/docs/
  模拟器 simulator     {simulator}
  日志 logs            {self.options.data / "logs"}

  账号 logins          {LOGINS}
  密码 password        {PASSWORD}

  Ctrl-C 停止 / stops · make demo RESET=1 重新开始 / begins anew""")

    # --- how ---

    def child(self, name: str, words: list[str], *, ready: str = "") -> Child:
        return Child(
            name=name,
            command=[sys.executable, "-m", *words],
            log=self.log(name),
            env={**os.environ, **self.env, "PYTHONUNBUFFERED": "1"},
            cwd=ROOT,
            ready=(lambda: outside.answers_ok(ready)) if ready else (lambda: True),
        )

    def manage(self, *words: str) -> None:
        """Run one manage.py command to its end."""
        child = self.child(f"manage.py {words[0]}", [])
        child.command = [sys.executable, "manage.py", *words]
        child.log = self.log(words[0])
        self.supervisor.run_once(child)

    def prepare(self) -> None:
        """As the owner of the tables; all else runs as a role that may not change them."""
        mine = self.env
        if self.owner:
            self.env = mine | {"DATABASE_URL": self.owner, "APP_DATABASE_URL": mine["DATABASE_URL"]}
        try:
            self.manage("prepare")
        finally:
            self.env = mine

    def forget_heartbeats(self) -> None:
        """Those of the run before would let this one look ready too soon."""
        connection = psycopg2.connect(self.env["DATABASE_URL"])
        with contextlib.closing(connection), connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM cardshop_heartbeat")

    def write_down(self) -> None:
        """demo.json: where everything is, for `manage` below and for tests; new whenever a child is."""
        facts = {
            "web": self.options.local,
            "site": self.options.address,
            "simulator": self.env_value("SIMULATOR_CONTROL"),
            "database_url": self.owner or self.env_value("DATABASE_URL"),
            "redis_url": self.env_value("REDIS_URL"),
            "pids": {"demo": os.getpid()} | {child.name: child.pid for child in self.supervisor.children},
            "env": self.env,
        }
        embedded.write_secret(self.options.data / "demo.json", json.dumps(facts, ensure_ascii=False, indent=1))

    def env_value(self, name: str) -> str:
        return self.env.get(name) or self.options.given.get(name, "")

    def log(self, name: str) -> Path:
        return self.options.data / "logs" / f"{name}.log"

    @contextlib.contextmanager
    def progress(self, chinese: str, english: str) -> Iterator[None]:
        """Say what goes on, and how long it took."""
        self.step += 1
        started = time.monotonic()
        print(f"[{self.step}/8] {chinese} / {english} … ", end="", flush=True)
        try:
            yield
        except BaseException:
            print(flush=True)
            raise
        print(f"{time.monotonic() - started:.1f} s", flush=True)


def manage(options: Options, arguments: list[str]) -> int:
    """Become `manage.py …` in the environment of the demo that runs, or last ran, on this data folder."""
    facts = running_demo(options.data)
    if not facts:
        raise CannotStart(f"{options.data} 没有运行过演示 / no demo has run here: make demo")
    os.chdir(ROOT)
    os.execve(sys.executable, [sys.executable, "manage.py", *arguments], {**os.environ, **facts["env"]})  # noqa: S606


def running_demo(data: Path) -> dict[str, Any]:
    """What `write_down` wrote, or nothing."""
    try:
        return json.loads((data / "demo.json").read_text())
    except (OSError, ValueError):
        return {}


def empty(data: Path) -> None:
    """RESET: delete everything in a folder that carries our marker, but for the marker, which is our lock."""
    embedded.remove_postgres(data / "postgres")
    for entry in data.iterdir():
        if entry.name == MARKER:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
