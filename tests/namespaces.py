"""Two network namespaces with a link between them, as two machines have, which can be cut."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from .serving import ROOT

HERE, THERE = "10.77.0.1", "10.77.0.2"  # the two ends' addresses

_NAMESPACES = ["unshare", "-Urn"]
_LINK = f"ip link add here type veth peer name there && ip addr add {HERE}/24 dev here && ip link set here up"


def run_linked(module: str, *arguments: str, timeout: float) -> str:
    """Run a module, whose end is awaited, in a network namespace that it may link; returns what it prints.

    Skips the test where the system allows no such thing.
    """
    for program, package in (("unshare", "util-linux"), ("nsenter", "util-linux"), ("ip", "iproute2")):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: apt-get install {package}")
    if subprocess.run([*_NAMESPACES, "sh", "-c", _LINK], capture_output=True, check=False).returncode:
        pytest.skip("this system allows no network namespace with a link")
    command = [*_NAMESPACES, sys.executable, "-m", module, *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


class Link:
    """A link to another network namespace; for what `run_linked` runs."""

    def __init__(self, pid: int) -> None:
        """`pid` is of a process there."""
        self.enter = ["nsenter", "-t", str(pid), "-n"]  # what runs a command there
        _run("ip", "link", "set", "lo", "up")
        _run("sh", "-c", f"{_LINK} && ip link set there netns {pid}")
        _run(*self.enter, "sh", "-c", f"ip addr add {THERE}/24 dev there && ip link set there up")

    def cut(self) -> None:
        """Have nothing come through."""
        _run(*self.enter, "ip", "link", "set", "there", "down")

    def heal(self) -> None:
        """Have it be as before."""
        _run(*self.enter, "ip", "link", "set", "there", "up")


@contextlib.contextmanager
def link() -> Iterator[Link]:
    """A link to a namespace that is there until the end."""
    with subprocess.Popen(
        ["unshare", "-n", "sh", "-c", "echo ready; read wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as there:
        assert there.stdout
        assert there.stdout.readline()
        try:
            yield Link(there.pid)
        finally:
            there.communicate()


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
