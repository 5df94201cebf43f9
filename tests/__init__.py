"""Tests of logstream; with `--without-linux`, from before it is imported, without what Linux alone has."""

import os
import sys

import pytest

from . import without_linux

pytest.register_assert_rewrite("tests.browser", "tests.serving", "tests.viewer")

if "--without-linux" in sys.argv:
    os.environ[without_linux.VARIABLE] = "1"  # for the processes that tests are distributed to, too
if os.environ.get(without_linux.VARIABLE):
    import hypothesis  # noqa: F401  (whose plugins, such as trio, know Linux from others by another way)

    without_linux.take_away()
