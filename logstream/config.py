"""Configuration: where each setting comes from, and whether it makes sense."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .protocol import DEFAULT_DIRECTORY, DEFAULT_SUFFIX

DEFAULT_ADDRESS = "127.0.0.1:8000"
RESERVED_THREADS = 32  # of a web server that has enough of them: so many are not for WebSockets

_PREFIX = "LOGSTREAM_"
_SWITCHES = ("on", "true", "yes", "1", "false", "no", "0")  # for whoever takes a setting for a switch
# What Kubernetes sets in each container beside a service that is called logstream.
_SERVICE_LINK = re.compile(r"LOGSTREAM_(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)")
_WATCHERS = ("auto", "inotify", "observer", "sweep")
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# Of the stand-alone server, of a session host, and the address that the command line asks.
_OTHERS = ("bind", "host", "proxies", "url")
_DEFAULT_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int | None]  # scheme, host, port


class ConfigurationError(ValueError):
    """A setting that makes no sense; its text says which and why, in one line."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the extension can be told: a field's key is LOGSTREAM_ and its name in capitals.

    The log of a session is `<directory>/<session><suffix>`.
    """

    directory: str = DEFAULT_DIRECTORY
    suffix: str = DEFAULT_SUFFIX
    state: str | None = None  # where completions are written down; None for a place in the directory
    token: str | None = None  # what each request has to show
    allowed_origins: frozenset[Origin] = frozenset()  # of pages that may connect, beside the server's own
    max_connections: int | None = None  # None for what the server's threads allow
    max_subscriptions: int = 2000  # of one connection
    max_subscribes: int = 3000  # of one connection, in a minute
    max_command: int = 64 * 1024  # bytes
    ping_interval: float = 25.0  # seconds of silence after which a client is asked whether it is there
    stall_timeout: float = 30.0  # seconds in which a client may take nothing while there is something for it
    recheck: float = 60.0  # seconds until the authorize hook is asked again about who is connected already
    tmux: str = "auto"  # or "off", or a tmux server's socket, by name or path
    log_level: str | None = None
    redis: str | None = None  # the address by which hosts and dashboards meet; the directory is a spool then
    prefix: str = "logstream"  # of the names in Redis
    copy: str = "followed"  # or "all"
    spool_size: int = 10 * 1024**3  # bytes
    watcher: str = "auto"  # or "inotify", "observer", "sweep"

    @classmethod
    def load(cls, config: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from a Flask config, else from the environment, else by default.

        Raises ConfigurationError, also for a key that begins like a setting's and is none.
        """
        environ = os.environ if environ is None else environ
        _check_keys([*config, *environ])
        found: dict[str, Any] = {}
        for name, parse in _PARSERS.items():
            key = _PREFIX + name.upper()
            value = config.get(key)
            if value is None:
                value = environ.get(key)
            if value is not None:
                found[name] = parse(key, value)
        if "directory" not in found and environ.get("SAGA_SESSION_DIR"):
            found["directory"] = _directory("SAGA_SESSION_DIR", environ["SAGA_SESSION_DIR"])
        return cls(**found)

    def describe(self) -> str:
        """What is served, for the operator."""
        missing = "" if os.path.isdir(self.directory) else ", which does not exist yet"
        return f"*{self.suffix} in {self.directory}{missing},"


def bind_address(environ: Mapping[str, str] | None = None) -> str:
    """The address that the stand-alone server binds: LOGSTREAM_BIND, else all interfaces at PORT, else loopback.

    Raises ConfigurationError.
    """
    environ = os.environ if environ is None else environ
    address = environ.get("LOGSTREAM_BIND")
    if address:
        return _address(address)
    port = environ.get("PORT")
    if port:
        return f"0.0.0.0:{_port('PORT', port)}"
    return DEFAULT_ADDRESS


def trusted_proxies(config: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> int:
    """How many proxies stand before the stand-alone server, each of which says whom it forwards: LOGSTREAM_PROXIES.

    Raises ConfigurationError.
    """
    value = config.get("LOGSTREAM_PROXIES")
    if value is None:
        value = (os.environ if environ is None else environ).get("LOGSTREAM_PROXIES", 0)
    return int(_number(int, 0, "proxies")("LOGSTREAM_PROXIES", value))


def as_environment(config: Mapping[str, Any]) -> dict[str, str]:
    """A Flask config's settings as environment variables, for what runs beside the app, and is to do as it does."""
    return {
        key: ",".join(value) if isinstance(value, (list, tuple, set, frozenset)) else str(value)
        for key, value in config.items()
        if key.startswith(_PREFIX) and value is not None
    }


def check_workers(environ: Mapping[str, str] | None = None) -> None:
    """Raise ConfigurationError where WEB_CONCURRENCY, which gunicorn reads, is no number of workers."""
    value = (os.environ if environ is None else environ).get("WEB_CONCURRENCY", "1")
    _number(int, 1, "workers")("WEB_CONCURRENCY", value)


def check_environment(environ: Mapping[str, str] | None = None) -> None:
    """Raise ConfigurationError for an environment variable that begins like a setting's and is none."""
    _check_keys(os.environ if environ is None else environ)


def parse_origin(text: str) -> Origin | None:
    """A page's origin, as browsers write it; None for what is none."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if (
        not parts.hostname
        or parts.scheme not in _DEFAULT_PORTS
        or text.rstrip("/") != f"{parts.scheme}://{parts.netloc}"
    ):
        return None
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme]


def _check_keys(keys: Iterable[object]) -> None:
    known = [_PREFIX + name.upper() for name in (*_PARSERS, *_OTHERS)]
    for key in keys:
        if not isinstance(key, str) or not key.startswith(_PREFIX) or key in known or _SERVICE_LINK.fullmatch(key):
            continue
        similar = difflib.get_close_matches(key, known, 1, cutoff=0.8)
        hint = f"did you mean {similar[0]}?" if similar else f"there are {', '.join(known)}"
        raise ConfigurationError(f"{key} is no setting: {hint}")


def _directory(key: str, value: Any) -> str:
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise ConfigurationError(f"{key} must be the path of a directory, not {value!r}")
    path = str(os.fspath(value))
    try:
        found = os.path.isdir(path) or not os.stat(path)
    except FileNotFoundError:
        found = True  # who writes the logs makes it, with the permissions that they need
    except PermissionError as error:
        raise ConfigurationError(f"{key} cannot be looked at: {path!r}: {error.strerror}") from None
    except (OSError, ValueError):
        found = False
    if not found:
        raise ConfigurationError(f"{key} must be a directory: {path!r} is not one")
    return path


def _suffix(key: str, value: Any) -> str:
    if not isinstance(value, str) or "/" in value or "\0" in value:
        raise ConfigurationError(f"{key} must be the end of a file name, such as '.out', not {value!r}")
    return value


def _token(key: str, value: Any) -> str:
    """What is wrong is told without the value: it may be a secret with a blank too many."""
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{key} must not be empty: leave it out to serve this machine only")
    if not re.fullmatch(r"[!-~]+", value):
        raise ConfigurationError(f"{key} must consist of printable ASCII characters, without blanks")
    return value


def _origins(key: str, value: Any) -> frozenset[Origin]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, (list, tuple, set, frozenset)):
        raise ConfigurationError(f"{key} must be origins, divided by commas, not {value!r}")
    origins = set()
    for item in items:
        text = item.strip() if isinstance(item, str) else item
        if text == "":
            continue
        origin = parse_origin(text) if isinstance(text, str) else None
        if origin is None:
            raise ConfigurationError(f"{key} must be origins such as 'https://dashboard.example', not {text!r}")
        origins.add(origin)
    return frozenset(origins)


def _number(kind: type[int] | type[float], least: float, unit: str) -> Callable[[str, Any], Any]:
    def parse(key: str, value: Any) -> Any:
        try:
            number = kind(value) if isinstance(value, str) or type(value) in (int, kind) else None
        except ValueError:
            number = None
        if number is None or not least <= number < float("inf"):
            raise ConfigurationError(f"{key} must be a number of {unit}, {least} or more, not {value!r}")
        return number

    return parse


def _tmux(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigurationError(f"{key} must be 'auto', 'off', or the name or path of a tmux socket, not {value!r}")
    if value.lower() in _SWITCHES:
        raise ConfigurationError(f"{key} must be 'auto' or 'off', or the name or path of a tmux socket, not {value!r}")
    return value


def _watcher(key: str, value: Any) -> str:
    if value not in _WATCHERS:
        raise ConfigurationError(f"{key} must be one of {', '.join(_WATCHERS)}, not {value!r}")
    return str(value)


def _log_level(key: str, value: Any) -> str:
    level = value.upper() if isinstance(value, str) else value
    if level not in _LOG_LEVELS:
        raise ConfigurationError(f"{key} must be one of {', '.join(_LOG_LEVELS)}, not {value!r}")
    return str(level)


def _redis(key: str, value: Any) -> str:
    """What is wrong is told without the value: it may have a password."""
    if not isinstance(value, str) or urlsplit(value).scheme not in ("redis", "rediss", "unix"):
        raise ConfigurationError(f"{key} must be an address that begins with redis://, rediss:// or unix://")
    return value


def _prefix(key: str, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", value):
        raise ConfigurationError(f"{key} must be up to 64 letters, digits, '.', '_', ':' and '-', not {value!r}")
    return value


def _copy(key: str, value: Any) -> str:
    if value not in ("followed", "all"):
        raise ConfigurationError(f"{key} must be 'followed' or 'all', not {value!r}")
    return str(value)


def _address(value: str) -> str:
    if value.startswith("unix:"):
        return value
    host, colon, port = value.rpartition(":")
    if not colon or not host:
        raise ConfigurationError(f"LOGSTREAM_BIND must be HOST:PORT or unix:PATH, not {value!r}")
    return f"{host}:{_port('LOGSTREAM_BIND', port)}"


def _port(key: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and int(value) < 65536):
        raise ConfigurationError(f"{key} must have a port from 0 to 65535, not {value!r}")
    return int(value)


_PARSERS: dict[str, Callable[[str, Any], Any]] = {
    "directory": _directory,
    "suffix": _suffix,
    "state": _directory,
    "token": _token,
    "allowed_origins": _origins,
    "max_connections": _number(int, 1, "connections"),
    "max_subscriptions": _number(int, 1, "subscriptions"),
    "max_subscribes": _number(int, 1, "subscribes a minute"),
    "max_command": _number(int, 1024, "bytes"),
    "ping_interval": _number(float, 0.1, "seconds"),
    "stall_timeout": _number(float, 0.1, "seconds"),
    "recheck": _number(float, 0.1, "seconds"),
    "tmux": _tmux,
    "log_level": _log_level,
    "redis": _redis,
    "prefix": _prefix,
    "copy": _copy,
    "spool_size": _number(int, 1024 * 1024, "bytes"),
    "watcher": _watcher,
}
