"""Files, and who follows them: knows no Flask, no socket and no web server."""
