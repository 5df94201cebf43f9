"""The server's app, which tells what a test says of a session: a file beside its log, which is the answer's JSON."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Response, request

from logstream import create_app

app = create_app()
asked: list[str] = []  # sessions, each as often as somebody has asked


@app.before_request
def say() -> Response | None:
    """Answer in the place of the page where JSON is wanted and there is such a file."""
    name = (request.view_args or {}).get("name", "")
    if request.headers.get("Accept") != "application/json" or not name:
        return None
    asked.append(name)
    file = Path(os.environ["LOGSTREAM_DIRECTORY"], f"{name}.json")
    return Response(file.read_bytes(), mimetype="application/json") if file.exists() else None


@app.get("/asked/<name>")
def count(name: str) -> str:
    """How often somebody has asked for a session."""
    return str(asked.count(name))
