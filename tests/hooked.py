"""A server whose app is told by signals what happens, and writes it down; a receiver fails at the session `bad`."""

import os
from pathlib import Path
from typing import Any

from flask import Flask, current_app

import logstream

_told = Path(os.environ["LOGSTREAM_DIRECTORY"]) / "told"


@logstream.session_started.connect
@logstream.session_completed.connect
def fail(app: Flask, session_name: str, **arguments: Any) -> None:
    """A bug, in the first receiver."""
    if session_name == "bad":
        raise ValueError("a bug in a receiver")


@logstream.session_started.connect
def note_start(sender: Flask, session_name: str) -> None:
    """One line for each."""
    _note(sender, f"{session_name} started")


@logstream.session_completed.connect
def note_end(sender: Flask, session_name: str, exit_status: int | None) -> None:
    """One line for each."""
    _note(sender, f"{session_name} complete {exit_status}")


def _note(sender: Flask, line: str) -> None:
    assert sender is app
    assert current_app == app
    with _told.open("a") as file:
        file.write(f"{line}\n")


app = logstream.create_app()
