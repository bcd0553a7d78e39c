"""What can be in the way of `make demo` gets one clear line each, and starts nothing."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from cardshop import embedded
from tests.demo_stack import ROOT, run_demo


def last_line(output: str) -> str:
    return output.strip().splitlines()[-1]


def test_a_busy_port(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port := embedded.free_ports(1)[0]))
        other.listen()
        code, output = run_demo(tmp_path / "data", port)
    assert code == 1
    assert f"端口 {port}" in last_line(output)
    assert "PORT=" in last_line(output)
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_full_disk(tmp_path: Path) -> None:
    code, output = run_demo(tmp_path / "data", DEMO_NEEDS_MB="999999999")
    assert code == 1
    assert "disk full" in last_line(output)


@pytest.mark.parametrize("port", [80, 32766, 65000])
def test_a_port_that_the_system_may_lend_to_others(tmp_path: Path, port: int) -> None:
    code, output = run_demo(tmp_path / "data", port)
    assert code == 1
    assert "1024–32764" in last_line(output)


def test_a_folder_with_other_files_is_never_taken_nor_emptied(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("mine")
    code, output = run_demo(tmp_path / "data", RESET="1")
    assert code == 1
    assert "CARDSHOP_DATA" in last_line(output)
    assert (tmp_path / "data" / "thesis.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, output = run_demo(tmp_path / "file" / "data")
    assert code == 1
    assert "cannot be written" in last_line(output)


def test_a_database_that_does_not_answer(tmp_path: Path) -> None:
    nobody = embedded.free_ports(1)[0]
    code, output = run_demo(tmp_path / "data", DATABASE_URL=f"postgres://cardshop@127.0.0.1:{nobody}/cardshop")
    assert code == 1
    assert "DATABASE_URL" in last_line(output)


def test_real_money(tmp_path: Path) -> None:
    code, output = run_demo(tmp_path / "data", CHANNELS="live")
    assert code == 1
    assert "CHANNELS" in last_line(output)


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ('case "$2" in *version_info*) exit 0;; *) exit 1;; esac', "python3-venv"),
        ("exit 1", "Python 3.11"),
        ('case "$2" in *disk_usage*) exit 1;; *) exit 0;; esac', "disk full"),
    ],
    ids=["no venv module", "another Python", "full disk"],
)
def test_make_venv_on_a_machine_that_lacks_something(tmp_path: Path, script: str, line: str) -> None:
    for name in ("Makefile", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    done = subprocess.run(
        ["make", "venv", f"PYTHON={python}"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert line in done.stdout
    assert not (tmp_path / ".venv").exists()


def test_make_help_names_every_target() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    phony = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY:"))
    for target in phony.split()[1:]:
        assert f"\n  {target} " in listed, target
