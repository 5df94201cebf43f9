"""What one writes first: a route that streams a file. `LOG=FILE flask --app app run`."""

import os
import time
from collections.abc import Iterator

from flask import Flask, Response

app = Flask(__name__)


@app.get("/log")
def log() -> Response:
    """The file, and then what is appended."""

    def lines() -> Iterator[str]:
        with open(os.environ["LOG"]) as file:  # noqa: PTH123
            while True:
                line = file.readline()
                if line:
                    yield line
                else:
                    time.sleep(0.1)

    return Response(lines(), mimetype="text/plain")
