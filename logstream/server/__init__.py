"""The stand-alone process: the application, gunicorn's configuration and worker, and their settings."""
