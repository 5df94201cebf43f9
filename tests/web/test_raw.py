"""Tests of whole logs over HTTP: real downloads, from real servers."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Response

from logstream import create_app

from ..serving import ServerProcess, wait_until


def ask(server: ServerProcess, name: str, *, times: int = 1, receive_buffer: int | None = None) -> socket.socket:
    """Ask for a log, as often as is said, on one connection, and read nothing of it yet."""
    sock = socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", server.port))
    request = f"GET /sessions/{name}/raw HTTP/1.1\r\nHost: localhost\r\n"
    sock.sendall((f"{request}\r\n" * (times - 1) + f"{request}Connection: close\r\n\r\n").encode())
    return sock


def read_all(sock: socket.socket) -> bytes:
    """What is left of an answer, up to the end of the stream."""
    data = bytearray()
    while piece := sock.recv(1 << 20):
        data += piece
    return bytes(data)


def leads_to(fd: str, directory: Path) -> bool:
    """Whether a descriptor of this process is of something in a directory."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}").startswith(str(directory))
    except FileNotFoundError:
        return False  # closed since it was listed


def test_the_whole_log_is_served_as_it_is(server: ServerProcess) -> None:
    """Byte for byte, also what is not UTF-8, as plain text under the file's name."""
    content = b"<b>\x1b[31mred\xff\x00\n" * 100_000
    server.log("whole").write_bytes(content)
    answer = server.fetch("/sessions/whole/raw")
    assert answer.body == content
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "whole.out" in answer.headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=500000-", 206, 500_000, 600_000),
        ("bytes=-7", 206, 599_993, 600_000),
        ("bytes=599999-700000", 206, 599_999, 600_000),
        ("bytes=600000-", 416, 0, 0),
        ("lines=1-2", 416, 0, 0),
    ],
)
def test_ranges_of_a_log(server: ServerProcess, asked: str, status: int, first: int, last: int) -> None:
    """Any part can be had, such as what a download that broke off still lacks."""
    content = b"".join(b"%05d\n" % number for number in range(100_000))
    server.log("ranges").write_bytes(content)
    answer = server.fetch("/sessions/ranges/raw", headers={"Range": asked})
    assert answer.status == status
    if status == 206:
        assert answer.body == content[first:last]
        assert answer.headers["Content-Range"] == f"bytes {first}-{last - 1}/600000"


def test_a_log_that_grows_is_as_long_as_was_said(server: ServerProcess) -> None:
    """What is appended while a log goes out is not part of the answer, and changes its tag."""
    path = server.log("growing")
    path.write_bytes(b"x" * 1000)
    answer = server.fetch("/sessions/growing/raw", "HEAD")
    with path.open("ab") as file:
        file.write(b"y" * 1000)
    later = server.fetch("/sessions/growing/raw", headers={"If-None-Match": answer.headers["ETag"]})
    assert (later.status, len(later.body)) == (200, 2000)
    assert server.fetch("/sessions/growing/raw", headers={"If-None-Match": later.headers["ETag"]}).status == 304
    stale = {"If-Range": answer.headers["ETag"], "Range": "bytes=500-"}
    assert server.fetch("/sessions/growing/raw", headers=stale).status == 200


def test_a_snapshot_ends_where_the_log_did(tmp_path: Path) -> None:
    """A writer that is faster than the reader does not make an answer longer than was said."""
    app = create_app({"LOGSTREAM_DIRECTORY": tmp_path})
    path = tmp_path / "busy.out"
    path.write_bytes(b"x" * 1_000_000)
    with app.test_client() as client:
        response = client.get("/sessions/busy/raw", base_url="http://localhost")
        with path.open("ab") as file:
            file.write(b"y" * 1_000_000)
        assert response.content_length == 1_000_000
        assert response.data == b"x" * 1_000_000
        response.close()


def test_an_error_in_the_answer_s_place_leaves_nothing_open(tmp_path: Path) -> None:
    """Where what an app does with each response fails, the log is closed at once, not by the garbage collector."""
    app = create_app({"LOGSTREAM_DIRECTORY": tmp_path})
    (tmp_path / "a.out").write_text("text\n")

    @app.after_request
    def fail(response: Response) -> Response:
        raise ValueError("no")

    gc.disable()
    try:
        with app.test_client() as client:
            for _ in range(3):
                assert client.get("/sessions/a/raw", base_url="http://localhost").status_code == 500
                assert not [fd for fd in os.listdir("/proc/self/fd") if leads_to(fd, tmp_path)]
    finally:
        gc.enable()


def test_only_regular_logs_are_served(server: ServerProcess, tmp_path: Path) -> None:
    """No link, pipe or directory, no name that leads elsewhere, and no path in what is said."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    server.log("link").symlink_to(secret)
    os.mkfifo(server.log("pipe"))
    server.log("directory").mkdir()
    for name in ("link", "pipe", "directory", "missing", "..", "%2e%2e%2fsecret", "a%00b", "x" * 300):
        answer = server.fetch(f"/sessions/{name}/raw")
        assert answer.status == 404, name
        assert str(tmp_path).encode() not in answer.body


def test_reading_a_log_leaves_nothing_open(server: ServerProcess) -> None:
    """Each answer closes its file, also one that is not wanted whole."""
    server.log("closing").write_bytes(b"x" * 1_000_000)
    before = server.descriptors()
    for number in range(20):
        headers = {"Range": "bytes=5-9"} if number % 2 else {}
        server.fetch("/sessions/closing/raw", "HEAD" if number % 3 else "GET", headers)
    wait_until(lambda: server.descriptors() <= before)


@pytest.fixture(scope="module", params=["gunicorn", "flask"])
def impatient(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Each of the two servers, with a stall timeout of a second; gunicorn prints no traceback."""
    process = ServerProcess(request.param, tmp_path_factory.mktemp("impatient"), LOGSTREAM_STALL_TIMEOUT="1")
    yield process
    output = process.stop()
    assert request.param == "flask" or "Traceback" not in output


only_gunicorn = pytest.mark.parametrize("impatient", ["gunicorn"], indirect=True)


def test_a_download_that_nobody_reads_ends(impatient: ServerProcess) -> None:
    """Whoever takes nothing for the stall timeout holds no thread and no descriptor any longer."""
    impatient.log("large").write_bytes(b"x" * 50_000_000)
    impatient.request("/healthz")
    wait_until(lambda: impatient.threads() == 1)  # those of earlier connections have ended
    threads, descriptors = impatient.threads(), impatient.descriptors()
    with ask(impatient, "large", receive_buffer=4096) as first, ask(impatient, "large", receive_buffer=4096) as second:
        for sock in (first, second):
            assert sock.recv(12) == b"HTTP/1.1 200"
        wait_until(lambda: impatient.threads() <= threads and impatient.descriptors() <= descriptors)


@pytest.mark.parametrize("path", ["/static/terminal.js", "/healthz", "/nothing"])
@only_gunicorn
def test_small_answers_that_nobody_reads_end(impatient: ServerProcess, path: str) -> None:
    """Whoever asks for more and more, and reads none of it, holds no thread either."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", impatient.port))
        sock.settimeout(5)
        with contextlib.suppress(ConnectionError, TimeoutError):
            for _ in range(100_000):
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        wait_until(lambda: impatient.threads() == 1)


@only_gunicorn
def test_a_slow_download_does_not_end(impatient: ServerProcess) -> None:
    """It may take far longer than the stall timeout, as long as something is taken."""
    impatient.log("slow").write_bytes(b"x" * 10_000_000)
    with ask(impatient, "slow", receive_buffer=4096) as sock:
        begin = time.monotonic()
        answer = bytearray()
        while time.monotonic() - begin < 3:
            answer += sock.recv(4096)
            time.sleep(0.02)  # the client's own slowness
        answer += read_all(sock)
    assert answer.endswith(b"\r\n\r\n" + b"x" * 10_000_000)


def cpu(server: ServerProcess) -> float:
    """Seconds of CPU that a server has used."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_range_costs_what_it_holds(server: ServerProcess) -> None:
    """The last bytes of a log of 4 GiB are there at once, and nothing before them is read."""
    path = server.log("enormous")
    path.touch()
    os.truncate(path, 4 << 30)  # a hole
    with path.open("ab") as file:
        file.write(b"last\n")
    server.request("/healthz")
    before = cpu(server)
    for number in range(20):
        headers = {"Range": ("bytes=-5", f"bytes={4 << 30}-", f"bytes={(4 << 30) + 1}-{(4 << 30) + 2}")[number % 3]}
        answer = server.fetch("/sessions/enormous/raw", headers=headers)
        assert (answer.status, answer.body) == (206, b"as" if number % 3 == 2 else b"last\n")
    assert cpu(server) - before < 0.5
    path.unlink()


def test_a_range_that_cannot_be_had_leaves_nothing_open(server: ServerProcess) -> None:
    """A refusal closes the log as an answer does."""
    server.log("closing").write_bytes(b"x" * 1000)
    before = server.descriptors()
    for _ in range(20):
        assert server.fetch("/sessions/closing/raw", headers={"Range": "bytes=2000-"}).status == 416
    wait_until(lambda: server.descriptors() <= before)


def test_a_log_that_shrinks_meanwhile_is_no_whole_answer(server: ServerProcess) -> None:
    """Where fewer bytes can be read than were said, the connection ends, so that the client knows."""
    path = server.log("shrinking")
    path.write_bytes(b"x" * 50_000_000)
    with ask(server, "shrinking", times=2, receive_buffer=4096) as sock:
        head = sock.recv(1000)
        assert b"Content-Length: 50000000" in head
        os.truncate(path, 1000)
        rest = read_all(sock)
        assert len(rest) < 50_000_000
        assert b"HTTP/1.1" not in rest
    with ask(server, "shrinking") as sock:
        assert read_all(sock).endswith(b"\r\n\r\n" + b"x" * 1000)


def test_a_download_has_the_logs_name(server: ServerProcess) -> None:
    """Whatever script it is in."""
    server.log("größer 日本").write_text("text")
    answer = server.fetch(f"/sessions/{quote('größer 日本')}/raw")
    assert answer.body == b"text"
    assert f"filename*=UTF-8''{quote('größer 日本.out')}" in answer.headers["Content-Disposition"]


def test_a_disk_that_fails_during_a_download_cuts_it_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The client sees that it has not all, and the operator why, in a line."""
    (tmp_path / "a.out").write_bytes(b"x" * 1_000_000)
    monkeypatch.setenv("LOGSTREAM_DIRECTORY", str(tmp_path))
    pread = os.pread

    def fail(fd: int, length: int, offset: int) -> bytes:
        if offset:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(fd, length, offset)

    monkeypatch.setattr(os, "pread", fail)
    answer = create_app().test_client().get("/sessions/a/raw")
    assert answer.content_length == 1_000_000
    with pytest.raises(ConnectionResetError):
        answer.get_data()
    assert "cannot be read: [Errno 5]" in caplog.text
    assert not any(record.exc_info for record in caplog.records)
