"""The app that the README shows, with the page that it shows as a part of it."""

from __future__ import annotations

import os
from typing import Any

from .docs.blocks import blocks


def _shown(language: str) -> str:
    """The README's block of code in a language."""
    (block,) = blocks(language, page="README.md")
    return block.text


_names: dict[str, Any] = {"__name__": __name__}
_source = _shown("python").replace("/tmp/saga-sessions", os.environ["LOGSTREAM_DIRECTORY"])
exec(_source, _names)
app = _names["app"]


@app.get("/")
def index() -> str:
    """The README's example of the JavaScript client."""
    return '<link rel="icon" href="data:,">' + _shown("html")
