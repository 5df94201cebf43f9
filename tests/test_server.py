"""Tests of servers of their own: restarts, several workers, and machines without inotify."""

import json
import os
import shutil
import subprocess
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from .serving import ServerProcess, Starting, wait_until
from .stopwatch import Stopwatch
from .viewer import Viewer


def test_a_cursor_holds_across_a_restart(start: Starting) -> None:
    """A viewer that comes back to another server of the same files pays only for what is new."""
    server = start("gunicorn")
    server.log("a").write_text("größer\n" * 50_000)
    with Viewer(server.port) as viewer:
        viewer.subscribe("a", cursor=True)
        cursor = viewer.receive()["cursor"]
    server.stop()
    server = start("flask")
    with server.log("a").open("a") as file:
        file.write("new\n")
    with Viewer(server.port) as viewer:
        viewer.subscribe("a", cursor=cursor)
        message = viewer.receive()
        assert (message["data"], message["isInitial"]) == ("new\n", False)
    server.stop()


def test_several_workers_follow_for_themselves(start: Starting) -> None:
    """Whichever worker a viewer gets, it shows the file, and a cursor of one is good for the others."""
    server = start("gunicorn", GUNICORN_CMD_ARGS="--workers 3 --preload")
    server.log("a").write_text("begin\n")
    viewers = [Viewer(server.port) for _ in range(12)]
    try:
        viewers[0].subscribe("a", cursor=True)
        cursor = viewers[0].receive()["cursor"]
        for viewer in viewers[1:]:
            viewer.subscribe("a", cursor=cursor)
            assert viewer.receive()["isInitial"] is False
        with server.log("a").open("a") as file:
            file.write("more\n")
        for viewer in viewers:
            viewer.read_until(lambda viewer=viewer: viewer.texts["a"].endswith("more\n"))  # type: ignore[misc]
    finally:
        for viewer in viewers:
            viewer.close()
        assert "Traceback" not in server.stop()


@pytest.mark.watcher("inotify")
@pytest.mark.parametrize("limit", ["max_inotify_watches", "max_inotify_instances"])
@pytest.mark.parametrize("kind", ["gunicorn", "flask"])
def test_without_inotify_all_still_arrives_in_time(start: Starting, tmp_path: Path, kind: str, limit: str) -> None:
    """With no watch or no instance to be had, increments come within 500 ms, and one log line says what to raise."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare: apt-get install util-linux")
    forbid = ["unshare", "-Ur", "sh", "-c", f'echo 0 > /proc/sys/user/{limit} && exec "$@"', "sh"]
    if subprocess.run([*forbid, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system allows no user namespace")
    server = start(kind, prefix=forbid)
    names = ["a", "b", "c"]
    for name in names:
        server.log(name).touch()
    with Viewer(server.port) as viewer:
        for name in names:
            viewer.subscribe(name)
        viewer.read_until(lambda: len(viewer.texts) == 3)
        assert server.watches() == 0
        for number in range(5):
            for name in names:
                with server.log(name).open("a") as file:
                    file.write(f"{number}\n")
            viewer.read_until(lambda: all(viewer.texts[name] == server.log(name).read_text() for name in names), 0.5)
        server.log("a").rename(tmp_path / "rotated")
        server.log("a").write_text("new\n")
        viewer.read_text("a", "new\n", 1.0)
        server.complete("a")
        viewer.read_until(lambda: viewer.messages[-1]["isComplete"])
    wait_until(lambda: '"connections":0' in server.request("/healthz")[1])
    output = server.stop()
    lines = [line for line in output.splitlines() if "no inotify watch" in line]
    assert len(lines) == 1
    assert limit.replace("max_inotify", "fs.inotify.max_user") in lines[0]
    assert "Traceback" not in output


@pytest.mark.parametrize("kind", ["gunicorn", "flask"])
def test_names_that_are_not_ascii_where_the_locale_is(start: Starting, kind: str) -> None:
    """A log's name on the disk is UTF-8, whatever the server's locale makes of that."""
    server = start(kind, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    server.log("größe 日本").write_text("größer\n")
    (server.directory / os.fsdecode(b"\xff.out")).write_text("not UTF-8")
    with Viewer(server.port) as viewer:
        viewer.subscribe("größe 日本")
        assert viewer.receive()["data"] == "größer\n"
        viewer.subscribe("nicht größer")
        assert viewer.receive()["type"] == "logs:error"
        server.complete(quote("größe 日本"))
        assert viewer.receive()["isComplete"]
    assert [session["name"] for session in json.loads(server.request("/sessions")[1])] == ["größe 日本"]
    assert server.request(f"/sessions/{quote('größe 日本')}/raw") == (200, "größer\n")
    assert server.request(f"/sessions/{quote('größe 日本')}")[0] == 200
    assert "Traceback" not in server.stop()


@pytest.mark.parametrize("arguments", ["", "--preload"])
def test_a_completion_reaches_the_viewers_of_every_worker(start: Starting, arguments: str) -> None:
    """Four workers, ten viewers on each, one report: each has its last message in time; after a kill, it still holds.

    The list is the same, whichever worker is asked, then too.
    """
    server = start("gunicorn", WEB_CONCURRENCY="4", GUNICORN_CMD_ARGS=arguments)
    wait_until(lambda: server.output().count("Booting worker") == 4)
    server.log("a").write_text("first\n")
    server.log("b").write_text("live\n")
    viewers: list[Viewer] = []
    try:
        for worker in server.workers():
            with server.asking(worker):
                viewers += [Viewer(server.port) for _ in range(10)]
        for viewer in viewers:
            viewer.subscribe("a")
            viewer.receive()
        watch = Stopwatch()
        server.complete("a")
        for viewer in viewers:
            assert viewer.receive()["isComplete"]
        assert watch.seconds() < 0.5
        assert not any(viewer.drain(0.01) for viewer in viewers)
        [listed] = lists_of_all_workers(server)
        assert [(one["name"], one["complete"]) for one in sorted(listed, key=itemgetter("name"))] == [
            ("a", True),
            ("b", False),
        ]
    finally:
        for viewer in viewers:
            viewer.close()
    server.kill_all()
    server = start("gunicorn", WEB_CONCURRENCY="4", GUNICORN_CMD_ARGS=arguments)
    wait_until(lambda: server.output().count("Booting worker") == 4)
    assert lists_of_all_workers(server) == [listed]
    for worker in server.workers():
        with server.asking(worker), Viewer(server.port) as viewer:
            viewer.subscribe("a")
            assert viewer.receive()["isComplete"]
    server.stop()


def lists_of_all_workers(server: ServerProcess) -> list[list[dict[str, Any]]]:
    """The sessions as each worker lists them, without what is the same."""
    lists = []
    for worker in server.workers():
        with server.asking(worker):
            listed = json.loads(server.request("/sessions")[1])
        if listed not in lists:
            lists.append(listed)
    return lists
