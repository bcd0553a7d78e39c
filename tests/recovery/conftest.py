"""Another PostgreSQL with the files of the suite's own: yesterday's backup, or a standby."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from cardshop import embedded
from cardshop.supervisor import Child, account


@pytest.fixture
def watched(settings, tmp_path) -> Path:
    """The shop writes down outside the database what it sends, and how far it is."""
    import clock
    from cardshop import watching

    settings.SENT_DIR, settings.WATCH_DATABASE = tmp_path / "sent", True
    watching._looked.clear()
    watching.look(at=clock.now())
    return settings.SENT_DIR


class Copy:
    """A physical copy of the suite's server. ``streams``: a standby, which may be cut off and promoted."""

    def __init__(self, folder: Path, *, streams: bool) -> None:
        from django.db import connection

        self.data, self.port, self.child = folder / "postgres", embedded.free_ports(1)[0], None
        self.user = embedded.unprivileged_user() if embedded.ROOT else None
        self.programs, self.files = embedded.reachable_places(self.data, self.user)
        known = connection.settings_dict
        embedded.write_secret(embedded.password_file(self.data), known["PASSWORD"])
        self.files.parent.mkdir(parents=True, exist_ok=True)
        self.files.mkdir(mode=0o700)
        if self.user:
            shutil.chown(self.files, self.user)
        words = [self.programs / "pg_basebackup", "-D", self.files, "-h", known["HOST"], "-p", str(known["PORT"]),
                 "-U", known["USER"], "-X", "stream", "-c", "fast", *(["-R"] if streams else [])]  # fmt: skip
        subprocess.run(
            [str(word) for word in words], check=True, capture_output=True, cwd="/",
            env={"PATH": os.defpath, "PGPASSWORD": known["PASSWORD"]}, **account(self.user),
        )  # fmt: skip

    def start(self) -> None:
        self.child: Child | None = embedded.postgres(self.data, self.port, self.data / "log")
        self.child.start()
        self.child.wait_until_ready(60)

    def stop(self) -> None:
        if self.child:
            self.child.stop()

    def cut_off(self) -> None:
        """It hears nothing of its primary any more."""
        self.stop()
        (self.files / "postgresql.auto.conf").write_text("")

    def promote(self) -> None:
        """From now on it takes writes, on a timeline of its own."""
        url = embedded.postgres_url(self.data, self.port, "postgres")
        with psycopg2.connect(url) as session, session.cursor() as cursor:
            cursor.execute("SELECT pg_promote(true, 60)")

    def take_over(self) -> None:
        """The shop talks to this one now."""
        from django.db import connection

        from cardshop import watching

        connection.close()
        connection.settings_dict["PORT"] = self.port
        watching._looked.clear()  # its processes have begun anew


@pytest.fixture
def copy_of_the_server(request: pytest.FixtureRequest) -> Iterator[Any]:
    """``copy_of_the_server(streams=True)``; afterwards the suite's own server is the shop's again."""
    from django.db import connection

    folder = Path(tempfile.mkdtemp(prefix="cardshop-copy-"))
    folder.chmod(0o755)
    port, made = connection.settings_dict["PORT"], []

    def make(*, streams: bool = False) -> Copy:
        made.append(Copy(folder, streams=streams))
        return made[-1]

    yield make
    connection.close()
    connection.settings_dict["PORT"] = port
    for copy in made:
        copy.stop()
        embedded.remove_postgres(copy.data)
    shutil.rmtree(folder, ignore_errors=True)
