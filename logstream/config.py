"""Configuration: where each setting comes from, and whether it makes sense."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .manager import DEFAULT_DIRECTORY, DEFAULT_SUFFIX

DEFAULT_ADDRESS = "127.0.0.1:8000"


class ConfigurationError(ValueError):
    """A setting that makes no sense; its text says which and why, in one line."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the sessions' logs are: `<directory>/<session><suffix>`."""

    directory: str
    suffix: str

    @classmethod
    def load(cls, config: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from a Flask config, else from the environment, else by default.

        Raises ConfigurationError.
        """
        environ = os.environ if environ is None else environ
        default_directory = environ.get("SAGA_SESSION_DIR") or DEFAULT_DIRECTORY
        return cls(
            directory=_directory(_find("LOGSTREAM_DIRECTORY", config, environ, default_directory)),
            suffix=_suffix(_find("LOGSTREAM_SUFFIX", config, environ, DEFAULT_SUFFIX)),
        )


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


def _find(key: str, config: Mapping[str, Any], environ: Mapping[str, str], default: str) -> Any:
    value = config.get(key)
    return environ.get(key, default) if value is None else value


def _directory(value: Any) -> str:
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise ConfigurationError(f"LOGSTREAM_DIRECTORY must be the path of a directory, not {value!r}")
    path = os.fspath(value)
    if os.path.exists(path) and not os.path.isdir(path):
        raise ConfigurationError(f"LOGSTREAM_DIRECTORY must be a directory: {path!r} is not one")
    return path


def _suffix(value: Any) -> str:
    if not isinstance(value, str) or "/" in value or "\0" in value:
        raise ConfigurationError(f"LOGSTREAM_SUFFIX must be the end of a file name, such as '.out', not {value!r}")
    return value


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
