"""Measurements of a real server over real sockets: `python -m benchmarks`."""
