"""What an app can be told of, by blinker's signals as Flask and its extensions have them.

Each is sent once a host, by one of its processes, on a thread of logstream's own and in the app's context. Its sender
is the Flask app that LogStream is on. What a receiver raises is logged.
"""

from blinker import Namespace

_signals = Namespace()

session_completed = _signals.signal(
    "session-completed",
    "A session is complete, and that is written down: `receiver(app, session_name, exit_status)`. Its exit status "
    "is None if nobody knows it. Sent by the process that has written it down.",
)
session_started = _signals.signal(
    "session-started",
    "tmux has a session that was not seen before: `receiver(app, session_name)`. Sent by the process that asks tmux.",
)
