"""glibc's allocator, set so that memory which is free goes back to the system, though threads come and go.

By default each thread may get a pool of its own, 16 on two cores, and every pool keeps for good what the largest
messages of a load once needed.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # <malloc.h>

_POOLS = 2
_KEPT = 8 * 1024 * 1024  # bytes at the end of a pool that stay for the next load; less would cost it page faults
_LARGE = 4 * 1024 * 1024  # bytes of what goes back to the kernel by itself, more than any message needs


def set_up_malloc() -> bool:
    """Bound what the allocator keeps. Early, before there are threads. Returns whether it is glibc's."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_ARENA_MAX, _POOLS), (_TRIM_THRESHOLD, _KEPT), (_MMAP_THRESHOLD, _LARGE))
    return bool(sum(mallopt(name, value) for name, value in settings) == len(settings))
