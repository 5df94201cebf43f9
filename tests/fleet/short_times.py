"""A dashboard's app, whose copies are free to be taken away some seconds after the last one who asks."""

from logstream import create_app
from logstream.fleet import copier, spool

copier._RECENT = 2.0
copier._ROOM = 1.0
spool._LATELY = 2.0

app = create_app()
