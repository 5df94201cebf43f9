"""Tests of logstream."""

import pytest

pytest.register_assert_rewrite("tests.browser", "tests.serving", "tests.viewer")
