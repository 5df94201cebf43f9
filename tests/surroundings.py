"""The same surroundings for the tests and all that they start, whatever they were started from."""

from __future__ import annotations

import os
import signal
from pathlib import Path

_KEPT = frozenset({"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "COLUMNS", "LINES"})
_KEPT_FAMILIES = ("PYTEST_", "COVERAGE_", "HYPOTHESIS_")


def forget_environment() -> None:
    """Leave out every variable that could configure a server, Python, tmux, a browser or a proxy by the way."""
    for name in set(os.environ) - _KEPT:
        if not name.startswith(_KEPT_FAMILIES):
            del os.environ[name]
    os.environ["LC_ALL"] = "C.UTF-8"


def pass_on_no_ignored_signals() -> None:
    """Have what is started heed all signals, also where this process was started to ignore some.

    A shell without job control starts what runs in its background with SIGINT ignored, `nohup` with SIGHUP. This
    process goes on ignoring them, by a handler, which the programs that it starts do not inherit.
    """
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # these are Python's own, and reset
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def may_administer() -> bool:
    """Whether this process may do what is root's in most systems: mount, and the like (CAP_SYS_ADMIN)."""
    status = Path("/proc/self/status").read_text()
    return bool(int(status.partition("CapEff:")[2].split()[0], 16) >> 21 & 1)
