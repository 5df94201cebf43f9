"""The command line of a session host: `logstream ship`."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import sys
import threading

import click

from ..config import ConfigurationError, Settings
from ..console import say
from ..engine.sessions import directory_problem
from ..engine.watcher import why_not
from ..tmux import TmuxWatcher
from .health import Health
from .ship import Ship
from .words import Names, is_host

logger = logging.getLogger(__name__)


@click.command()
@click.option("-d", "--directory", help="Where the logs are (also LOGSTREAM_DIRECTORY).")
@click.option("--redis", help="Where Redis is, such as redis://host:6379 (also LOGSTREAM_REDIS).")
@click.option(
    "--host", envvar="LOGSTREAM_HOST", help="This host's name (also LOGSTREAM_HOST); by default the machine's."
)
@click.option("--health", metavar="HOST:PORT", help="Answer /healthz and /metrics there, to everyone who asks.")
def ship(directory: str | None, redis: str | None, host: str | None, health: str | None) -> None:
    """Let dashboards elsewhere serve this host's sessions, by Redis."""
    _set_up_logging()
    given = {"LOGSTREAM_DIRECTORY": directory, "LOGSTREAM_REDIS": redis}
    try:
        settings = Settings.load({key: value for key, value in given.items() if value is not None})
        run(settings, host or _own_name(), health)
    except ConfigurationError as error:
        say(str(error))
        sys.exit(1)


def run(settings: Settings, host: str, health: str | None = None) -> None:
    """Ship until SIGTERM or SIGINT. On the main thread. Raises ConfigurationError."""
    if settings.redis is None:
        raise ConfigurationError("say where Redis is, with --redis or LOGSTREAM_REDIS: redis://host:6379")
    if not is_host(host):
        raise ConfigurationError(f"--host must be up to 64 letters, digits, '.', '_' and '-', not {host!r}")
    if settings.log_level is not None:
        logging.getLogger("logstream").setLevel(settings.log_level)
    reason = why_not(settings.watcher)
    if reason is not None:
        raise ConfigurationError(f"LOGSTREAM_WATCHER: {reason}")
    problem = directory_problem(settings.directory)
    if problem is not None:
        logger.warning("%s is LOGSTREAM_DIRECTORY: %s", settings.directory, problem)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    tmux: TmuxWatcher | None = None
    shipping = Ship(
        settings.directory,
        settings.suffix,
        host,
        settings.redis,
        names=Names(settings.prefix),
        state=settings.state,
        on_follow=lambda: tmux.wake() if tmux is not None else None,
        watcher=settings.watcher,
    )
    if settings.tmux != "off":
        socket_name = None if settings.tmux == "auto" else settings.tmux
        tmux = TmuxWatcher(
            socket_name, shipping.followed_sessions, shipping.complete, settings.directory, settings.suffix
        )
    answering = Health(health, shipping.counts) if health is not None else None
    logger.info("shipping %s as host %s, by Redis at %s", settings.describe(), host, shipping.bus.address)
    try:
        shipping.run(stop)
    finally:
        if answering is not None:
            answering.close()
        if tmux is not None:
            tmux.close()


def _own_name() -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname() or os.uname().nodename)[:64]


def _set_up_logging() -> None:
    own = logging.getLogger("logstream")
    if not own.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("[%(asctime)s] %(levelname)s in %(module)s: %(message)s"))
        own.addHandler(handler)
        own.setLevel(logging.INFO)
