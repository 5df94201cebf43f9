"""Several hosts: sessions of many machines on many dashboards, with Redis between them.

A log's truth is the file on its session host. A dashboard that has a viewer for it keeps a copy in its spool, and the
engine follows the copy.

`words` (what hosts and dashboards say to each other), `bus` (the connections to Redis, and the only module that knows
its client library), `registry` (which host has what: announced, and looked up).

A session host: `ship` (pushes and answers; `shipped` is one of its logs, `outbox` what is about to go out, `sole` that
no other process does the same).

A dashboard: `spool` (the copies on the disk), `copying` (where one copy stands, and what it does about a message),
`copier` (which copies there are to be, and who writes them), `hosts` (what hosts are asked), `whereabouts` (where a
session is), `replica` (who asks for a session, and waits for it).

The locks, in the order in which they may be taken, as in `engine`:

| lock | guards | who may block under it |
| --- | --- | --- |
| `ShippedLog.lock` | a log's place, and the order of what is sent of it | who reads its files, and sends |
| `Ship._lock` | which logs there are, what is to be done for each, and who follows it | nobody |
| `Outbox._sending`, then `Bus._speaking` | the connection that speaks | who sends |
| `Copier._working` | the copies | who writes them; the thread that listens only tries it |
| `Registry._asking` | what is known of hosts | who asks Redis |
| leaves: the outbox' other one, the bus', the copier's start | each its own | nobody |
"""
