"""Several hosts: sessions of many machines on many dashboards, with Redis between them.

A log's truth is the file on its session host. A dashboard that has a viewer for it keeps a copy in its spool, and the
engine follows the copy.

`words` (what hosts and dashboards say to each other), `bus` (the connections to Redis, and the only module that knows
its client library), `spool` (the copies on the disk), `ship` (a session host: pushes and answers; `shipped` is one of
its logs, `outbox` what is about to go out), `registry` (which host has what: announced, and looked up), `copying`
(where one copy stands, and what it does about a message), `replica` (which copies there are to be).
"""
