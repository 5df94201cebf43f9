"""The app that the README shows, with the page that it shows as a part of it."""

from __future__ import annotations

import os
import re
from typing import Any

from .serving import ROOT

_README = (ROOT / "README.md").read_text()


def _block(language: str, word: str) -> str:
    """The README's block of code in a language that has a word in it."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", _README, re.MULTILINE | re.DOTALL)
    return str(next(block for block in blocks if word in block))


_names: dict[str, Any] = {"__name__": __name__}
_source = _block("python", "register_blueprint").replace("/tmp/saga-sessions", os.environ["LOGSTREAM_DIRECTORY"])
exec(_source, _names)
app = _names["app"]


@app.get("/")
def index() -> str:
    """The README's example of the JavaScript client."""
    return '<link rel="icon" href="data:,">' + _block("html", "logstream.js")
