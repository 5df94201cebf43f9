"""Tests of how the server starts."""

import gc
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ..loading import load_again
from ..serving import COMMANDS, ROOT


@pytest.mark.parametrize(
    ("kind", "environ"),
    [
        ("gunicorn", {"LOGSTREAM_DIRECTORY": "/etc/passwd"}),
        ("gunicorn", {"LOGSTREAM_SUFFIX": "/x"}),
        ("gunicorn", {"LOGSTREAM_BIND": "nonsense"}),
        ("flask", {"LOGSTREAM_DIRECTORY": "/etc/passwd"}),
        ("flask", {"LOGSTREAM_SUFFIX": "/x"}),
        ("gunicorn", {"PORT": "http", "LOGSTREAM_BIND": ""}),
        ("gunicorn", {"LOGSTREAM_TOKNE": "x"}),
        ("flask", {"LOGSTREAM_TOKNE": "x"}),
        ("flask", {"LOGSTREAM_MAX_CONNECTIONS": "many"}),
    ],
)
def test_bad_configuration_stops_the_start_with_one_line(kind: str, environ: dict[str, str]) -> None:
    """The operator reads which setting is wrong, and no traceback."""
    ended = subprocess.run(
        [sys.executable, *COMMANDS[kind]], cwd=ROOT, env=os.environ | environ, capture_output=True, timeout=30
    )
    assert ended.returncode != 0
    lines = ended.stderr.decode().strip().splitlines()
    assert len([line for line in lines if line.startswith("logstream: ")]) == 1
    assert len(lines) == 1
    assert next(iter(environ)) in lines[0]


def test_the_procfile_runs_what_the_tests_run() -> None:
    """The Procfile's command is the one under test."""
    kind, command = (ROOT / "Procfile").read_text().split(":", 1)
    assert kind == "web"
    assert shlex.split(command)[1:] == COMMANDS["gunicorn"][2:]


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Loads the settings in this process, whose allocator and garbage stay as they are."""
    monkeypatch.setenv("LOGSTREAM_DIRECTORY", str(tmp_path))
    monkeypatch.setattr("logstream.server.malloc.set_up_malloc", lambda: True)
    monkeypatch.setattr(gc, "freeze", lambda: None)
    return lambda: load_again("logstream.server.gunicorn_conf")


def test_the_heartbeat_is_in_memory_where_there_is_a_place(
    configuration: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a system without one it is where gunicorn has it."""
    monkeypatch.setattr(os.path, "isdir", lambda path: True)
    assert configuration().worker_tmp_dir == "/dev/shm"
    monkeypatch.setattr(os.path, "isdir", lambda path: path != "/dev/shm")
    assert not hasattr(configuration(), "worker_tmp_dir")


def test_an_app_without_logstream_can_be_served_too(configuration: Callable[[], Any]) -> None:
    """There is nothing to limit."""
    configuration().post_worker_init(SimpleNamespace(wsgi=lambda environ, start_response: []))


def test_no_search_for_garbage_looks_at_what_is_there_from_the_start(
    configuration: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither at the modules, before there are workers, nor at a worker's app."""
    frozen: list[str] = []
    settings = configuration()
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append("now"))
    settings.when_ready(SimpleNamespace())
    assert len(frozen) == 1
    settings.post_worker_init(SimpleNamespace(wsgi=lambda environ, start_response: []))
    assert len(frozen) == 2
