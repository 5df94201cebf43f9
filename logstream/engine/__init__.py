"""Files, and who follows them: knows no Flask, no socket and no web server.

From a file to who follows it: `logfile` (an open file), `reading` (a place in it), `sharing` (what several read at
once), `subscription` (one client in one session), `feed` (one session, and who is live), `catchup` (one client, and
what it is behind with; `monitor` looks whether that is stuck), `watcher` (wakes feeds; `watching`, `inotify`, `fanout`,
`sweep` and `relief` are parts of it), `completion` (what is complete), `timekeeper` (when it arrived), `sessions`
(which logs there are; `questions` asks for them all), `search` (what a `worker` finds in them), `manager` (who follows
what).

The locks, in the order in which they may be taken: whoever holds one takes only those below it, and none that is
marked as a leaf leads to another. Nothing of ours is held while watchdog is called.

| lock | guards | who may block under it |
| --- | --- | --- |
| `Feed._reading` | the place of those who are live, and the order of what they get | who reads the file for them |
| `Feed._lock` | the states of a session's subscriptions, and the errands that a move leaves | nobody |
| `LogStreamManager._lock` | who follows what, and what is complete | nobody |
| `CatchUp._lock` | a client's turns, and which thread drives a subscription | nobody: waiting releases it |
| `Watching._starting`, `Relief._lock`, `Monitor._changed` | the start of threads | nobody: one starts at once |
| a socket's send lock (`web`) | every byte that goes out on it | who sends; an offer only tries it |
| the file `lock` in the state directory | which process writes a completion down | who writes it |
| leaves: of watcher, questions, workers, times, endpoint, helpers, traffic, tmux, rates, metrics | its own | nobody |

The manager's lock and a feed's are never held together, so that a file which cannot be read stops its own session and
nothing else: a feed says by itself that it is closed, and the manager then makes another one.
"""
