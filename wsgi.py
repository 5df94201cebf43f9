"""The application for gunicorn and for `flask --app wsgi run`."""

import sys

from logstream import ConfigurationError, create_app

try:
    app = create_app()
except ConfigurationError as error:
    sys.exit(f"logstream: {error}")
