"""Tests that run every command and example of README.md and docs/."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from logstream import LogStream, session_completed

from ..fleet.fleetparts import free_port
from ..serving import PATIENCE, ROOT, ServerProcess, wait_until
from ..tmux.tmuxserver import TmuxServer, needs_tmux
from ..viewer import Viewer
from .blocks import Block, blocks
from .scene import MADE, Scene

TOKEN = "a-token-that-no-log-has"

# What tests run each kind of block. A picture is drawn in letters, and runs nowhere.
KINDS = {
    ("sh", ""): "test_a_pages_commands_run",
    ("text", "output"): "test_a_pages_commands_run",
    ("console", ""): "test_a_pages_commands_run",
    ("python", ""): "test_a_program_runs",
    ("python", "app"): "test_an_app_starts_and_has_its_rules",
    ("python", "tests"): "test_a_suite_passes",
    ("python", "signals"): "test_a_signals_receiver_is_called",
    ("html", ""): "tests/web/test_page_in_browser.py, by tests/readme_app.py",
    ("json", "sent"): "test_the_protocols_example_is_what_a_server_says",
    ("json", "received"): "test_the_protocols_example_is_what_a_server_says",
    ("nginx", ""): "test_nginx_passes_it_on",
    ("nginx", "prefix"): "test_nginx_passes_it_on",
    ("nginx", "http"): "test_nginx_passes_it_on",
    ("nginx", "server"): "test_nginx_passes_it_on",
    ("ini", ""): "test_systemd_takes_a_unit",
    ("text", "said"): "test_what_is_said_is_in_the_code",
    ("text", "picture"): "a picture",
    ("", ""): "test_the_rules_of_a_host",
}

# Blocks that nothing runs, by their page and how they begin, and why.
NOT_RUN = {
    ("README.md", f"{MADE}.venv/bin/python -m pytest"): "it is what runs these tests",
    ("docs/comparison.md", "python -m benchmarks compare"): "tests/test_benchmarks.py runs a part of it",
}


def is_run(block: Block) -> bool:
    """Whether it is none of those that are named above."""
    return not any(block.page == page and block.text.startswith(begin) for page, begin in NOT_RUN)


SHOWN = [block for block in blocks() if is_run(block)]


def test_each_block_is_run() -> None:
    """Every block is of a kind that a test runs, or is named with a reason why not."""
    assert [block.place for block in SHOWN if (block.language, block.kind) not in KINDS] == []
    for page, begin in NOT_RUN:
        assert [block for block in blocks(page=page) if block.text.startswith(begin)], begin


def test_the_two_commands_are_the_first_blocks() -> None:
    """The README begins with what serves and what tests, each in one line, as CI takes the second one from it."""
    serve, test = blocks("sh", page="README.md")[:2]
    assert serve.text == f"{MADE}.venv/bin/gunicorn -c python:logstream.gunicorn_conf wsgi:app\n"
    assert test.text == f"{MADE}.venv/bin/python -m pytest\n"
    assert blocks(page="README.md")[:2] == [serve, test]


@pytest.fixture
def scene(tmp_path: Path, address: str, tmux: TmuxServer, pytestconfig: pytest.Config) -> Scene:
    """A machine of a reader's."""
    return Scene(tmp_path, address, Path(tmux.socket), pytestconfig.getoption("--installed"))


def commands(page: str) -> list[Block]:
    """A page's shell commands."""
    return [block for block in SHOWN if block.page == page and block.language in ("sh", "console")]


ASKS = re.compile(r"curl|logstream (tail|grep|complete|sessions)")  # a server that is there


def serves(page: str) -> bool:
    """Whether a page has a command for the server that the others ask."""
    return any(re.search(r"^logstream serve -d \S+( -b \S+)?$|gunicorn -c", one.text, re.M) for one in commands(page))


@needs_tmux
@pytest.mark.parametrize("page", sorted({block.page for block in SHOWN if block.language == "sh"}))
def test_a_pages_commands_run(page: str, scene: Scene, tmp_path: Path) -> None:
    """All commands of a page succeed in their order, and print what the page says that they print."""
    if "redis-server" in "".join(block.text for block in commands(page)) and shutil.which("redis-server") is None:
        pytest.skip("needs redis-server: apt-get install redis-server")
    (scene.logs / "build.out").write_text("one\ntwo\n")
    shown = commands(page)
    if not serves(page) and any(ASKS.search(block.text) for block in shown):
        shown.insert(0, Block(page, 0, "sh", "", "logstream serve\n"))
    outputs = dict(zip(shown, scene.run(shown), strict=True))
    for block in shown:
        if block.language == "console":
            said = re.sub(r"^\$ .*\n", "", block.text, flags=re.M)
            assert scene.as_shown(outputs[block]) == said, block.place
    for block, after in zip(blocks(page=page), blocks(page=page)[1:], strict=False):
        if after.kind == "output":
            assert scene.as_shown(outputs[block]) == after.text, after.place


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server behind proxies, with a token."""
    process = ServerProcess("gunicorn", tmp_path_factory.mktemp("server"), LOGSTREAM_TOKEN=TOKEN, LOGSTREAM_PROXIES="1")
    yield process
    assert "Traceback" not in process.stop()


BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize("block", [one for one in SHOWN if one[2:4] == ("python", "")], ids=lambda one: one.place)
def test_a_program_runs(block: Block, server: ServerProcess, tmp_path: Path) -> None:
    """A program by itself prints the log of a session that is complete, and ends."""
    server.log("build").write_text("one\ntwo\n")
    assert server.fetch("/sessions/build/complete", "POST", BEARER).status == 204
    text = block.text.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{server.port}")
    text = text.replace("token=None", f"token={TOKEN!r}").replace("/tmp/saga-sessions", str(server.directory))
    ran = subprocess.run(
        [sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "two" in ran.stdout


@pytest.mark.parametrize("block", blocks("python", "app"), ids=lambda one: one.place)
def test_an_app_starts_and_has_its_rules(block: Block, tmp_path: Path) -> None:
    """An app has the WebSocket endpoint and the page below its prefix, for whom it says that they are for."""
    names: dict[str, Any] = {"__name__": "shown"}
    exec(block.text.replace("/tmp/saga-sessions", str(tmp_path)), names)
    app, logs = names["app"], names["logs"]
    assert isinstance(app, Flask)
    assert isinstance(logs, LogStream)
    assert "/logs/ws" in {rule.rule for rule in app.url_map.iter_rules()}
    client = app.test_client()
    if "authorize" in names:
        assert client.get("/logs/sessions").status_code == 403
        if "login" in names:
            assert client.get("/logs/", headers={"Accept": "text/html"}).location == "/login?next=/logs/"
        with client.session_transaction() as session:
            session["user"] = "alice"
        if "may_see" in names:
            assert client.get("/logs/sessions/bob-build/lines").status_code == 403
            assert client.get("/logs/sessions/alice-build/lines").status_code == 404
    assert client.get("/logs/sessions").status_code == 200
    logs.manager.close()


def test_a_signals_receiver_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """The receiver takes what the signal is sent with, and does what it says."""
    (block,) = blocks("python", "signals")
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(urllib.request, "urlopen", lambda *arguments, timeout: asked.append(arguments))
    names: dict[str, Any] = {"__name__": "shown"}
    exec(block.text, names)
    try:
        session_completed.send(Flask("shown"), session_name="build", exit_status=0)
    finally:
        session_completed.disconnect(names["tell"])
    assert asked == [("https://example.com/hook", b"build 0")]


@pytest.mark.parametrize("block", blocks("python", "tests"), ids=lambda one: one.place)
def test_a_suite_passes(block: Block, tmp_path: Path) -> None:
    """A file of tests passes as it stands, in a directory of its own."""
    (tmp_path / "test_shown.py").write_text(block.text)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},  # which may be to measure this suite
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("page", ["README.md", "docs/protocol.md"])
def test_the_protocols_example_is_what_a_server_says(page: str, server: ServerProcess) -> None:
    """What is shown as sent is answered by what is shown as received, to the letter."""
    log = server.log("build")
    log.unlink(missing_ok=True)
    sent: list[dict[str, Any]] = []
    viewers = [Viewer(server.port, headers=f"Authorization: Bearer {TOKEN}\r\n")]
    try:
        for block in blocks("json", page=page):
            shown = json.loads(block.text)
            if block.kind == "sent":
                if "cursor" in shown and sent:
                    viewers.append(Viewer(server.port, headers=f"Authorization: Bearer {TOKEN}\r\n"))
                if not sent:
                    log.write_text("…" if page == "README.md" else "one\ntwo\n")
                viewers[-1].send(shown)
                sent.append(shown)
                continue
            if shown.get("data") == "three\n" and len(sent) == 1:
                with log.open("a") as file:
                    file.write("three\n")
            if shown.get("isComplete"):
                assert server.fetch("/sessions/build/complete", "POST", BEARER).status == 204
            assert viewers[-1].receive() == shown, block.place
    finally:
        for viewer in viewers:
            viewer.close()
    assert sent


def test_nginx_passes_it_on(server: ServerProcess, tmp_path: Path) -> None:
    """With the blocks that are shown a real nginx serves the page and the log, below a prefix, by TLS too, and its
    access log has no token."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if nginx is None:
        pytest.skip("needs nginx: apt-get install nginx-light")
    ((plain,), (prefix,), (format_,), (tls,)) = (blocks("nginx", kind) for kind in ("", "prefix", "http", "server"))
    ports = [free_port() for _ in range(3)]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=logs.example.com"]
    keys = ["-keyout", tmp_path / "logs.example.com.key", "-out", tmp_path / "logs.example.com.pem"]
    subprocess.run([*make, *keys], check=True, capture_output=True)
    (tmp_path / "logstream-location.conf").write_text(plain.text.replace(":8000", f":{server.port}"))
    places = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi"))
    access_log = tmp_path / "logstream.log"
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log crit; worker_processes 1;\nevents {{}}\n"
        f"http {{\n{places} scgi_temp_path {tmp_path}/scgi;\n"
        + format_.text.replace("/var/log/nginx", str(tmp_path))
        + f"server {{ listen 127.0.0.1:{ports[0]};\n{plain.text} }}\n".replace(":8000", f":{server.port}")
        + f"server {{ listen 127.0.0.1:{ports[1]};\n{prefix.text} }}\n".replace(":8000", f":{server.port}")
        + tls.text.replace("443", f"127.0.0.1:{ports[2]}")
        .replace("/etc/ssl", str(tmp_path))
        .replace("/etc/nginx", str(tmp_path))
        + "}\n"
    )
    server.log("passed").write_text("one\n")
    run = subprocess.Popen([nginx, "-e", tmp_path / "error.log", "-c", tmp_path / "nginx.conf"])
    try:
        wait_until(lambda: (tmp_path / "pid").exists() or run.poll() is not None)
        assert run.poll() is None, (tmp_path / "error.log").read_text()
        for port, below in zip(ports[:2], ("", "/logs"), strict=True):
            with Viewer(port, path=f"{below}/ws?token={TOKEN}") as viewer:
                viewer.subscribe("passed")
                viewer.read_text("passed", "one\n")
            shown = urllib.request.Request(f"http://127.0.0.1:{port}{below}/sessions/passed", headers=BEARER)
            with urllib.request.urlopen(shown, timeout=PATIENCE) as answer:
                assert f'data-endpoint="{below}/ws"' in answer.read().decode()
        shown = urllib.request.Request(f"https://127.0.0.1:{ports[2]}/?token={TOKEN}", headers=BEARER)
        with urllib.request.urlopen(shown, timeout=PATIENCE, context=ssl._create_unverified_context()) as answer:
            assert answer.url == f"https://127.0.0.1:{ports[2]}/"  # without the token
        wait_until(lambda: access_log.read_text().count("\n") >= 5)
        assert TOKEN not in access_log.read_text()
        assert "GET /logs/ws HTTP/1.1" in access_log.read_text()
    finally:
        run.terminate()
        run.wait(PATIENCE)


@pytest.mark.parametrize("block", blocks("ini"), ids=lambda one: one.place)
def test_systemd_takes_a_unit(block: Block, tmp_path: Path) -> None:
    """systemd has nothing to say of a unit, but that its program is not at its place here."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd is here")
    unit = tmp_path / "logstream.service"
    unit.write_text(re.sub(r"/srv/logstream/\.venv/bin/\w+", sys.executable, block.text))
    ran = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert [line for line in ran.stderr.splitlines() if unit.name in line] == []


def said_by_the_code() -> list[re.Pattern[str]]:
    """Each sentence that the package can say, with gaps where it says what happened."""
    found = []
    for path in (ROOT / "logstream").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            pieces = node.values if isinstance(node, ast.JoinedStr) else [node]
            texts = [
                re.sub(r"%[sdr]", "\0", piece.value)
                if isinstance(piece, ast.Constant) and isinstance(piece.value, str)
                else "\0"
                for piece in pieces
            ]
            text = "".join(texts)
            if len(text.replace("\0", "")) > 12:
                found.append(re.compile(".*".join(map(re.escape, text.split("\0")))))
    return found


def test_what_is_said_is_in_the_code() -> None:
    """Whatever somebody looks up by what they have read is there as it is said."""
    patterns = said_by_the_code()
    lines = [line for block in blocks("text", "said") for line in block.text.splitlines()]
    assert lines
    assert [line for line in lines if not any(pattern.fullmatch(line) for pattern in patterns)] == []


def test_the_rules_of_a_host() -> None:
    """What Redis is told of a host's user is what tests/fleet/test_fleet_security.py tries."""
    source = (ROOT / "tests/fleet/test_fleet_security.py").read_text()
    rules = next(
        ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "HOST_RULES"
    )
    (block,) = blocks("")
    command, _, shown = " ".join(block.text.split()).partition(" resetchannels ")
    assert command == "ACL SETUSER <host> on ><secret>"
    assert f"resetchannels {shown}".split() == rules.format(host="<host>").split()
