"""Tests of whether an address is to be had."""

import contextlib
import socket

import pytest

from logstream.binding import binding_problem


def test_a_free_address_has_no_problem() -> None:
    """Nor has a Unix socket, which is the server's to make."""
    assert binding_problem("127.0.0.1:0") is None
    assert binding_problem("[::1]:0") is None
    assert binding_problem("unix:/nowhere/socket") is None


def test_what_is_wrong_is_said() -> None:
    """As the end of a sentence: taken, another machine's, or no address at all."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        assert binding_problem(f"127.0.0.1:{server.getsockname()[1]}") == "is taken by another process"
    assert binding_problem("192.0.2.1:0") == "is no address of this machine"
    assert str(binding_problem("no such host:0")).startswith("cannot be bound: ")


def test_a_port_that_is_not_this_user_s_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below 1024, for instance, where only root may bind."""

    def refuse(sock: socket.socket, place: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert binding_problem("127.0.0.1:80") == "is not this user's to take"
