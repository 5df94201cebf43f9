"""Tests that no wing uses what is private to another one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from .serving import ROOT

PACKAGE = ROOT / "logstream"


def uses_of_private_names(module: str, source: str) -> list[str]:
    """The private names that a module uses of other wings of the package, each as `wing.….name`.

    A wing is a subpackage, or a module beside them. What is looked at is imports, and attributes of what is imported.
    """
    tree = ast.parse(source)
    imported = dict(imports(module, tree))
    used = [*imported.values(), *(path for node in ast.walk(tree) if (path := attribute(node, imported)))]
    own = module.split(".")[1]
    return sorted({path for path in used if is_private(path) and path.split(".")[1] != own})


def imports(module: str, tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Each name that a module of the package has from the package, and the full path that it stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "logstream":
                    yield (alias.asname, alias.name) if alias.asname else ("logstream", "logstream")
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*above, node.module] if node.module else above)
            if base.split(".")[0] == "logstream":
                for alias in node.names:
                    yield alias.asname or alias.name, f"{base}.{alias.name}"


def attribute(node: ast.AST, imported: dict[str, str]) -> str | None:
    """The full path of an attribute of an imported name, such as `feed._pump` or `feed.Feed._pump`."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not names or not isinstance(node, ast.Name) or node.id not in imported:
        return None
    return ".".join([imported[node.id], *reversed(names)])


def is_private(path: str) -> bool:
    """Whether a path has a private part below the package."""
    parts = path.split(".")[1:]
    return len(parts) > 1 and any(part.startswith("_") and not part.startswith("__") for part in parts)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_wing_uses_a_private_name_of_another(path: Path) -> None:
    """What begins with an underscore is the business of its own wing alone."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    assert uses_of_private_names(module, path.read_text()) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from ..engine.feed import _hidden", ["logstream.engine.feed._hidden"]),
        ("from logstream.engine.feed import Feed, _hidden as shown", ["logstream.engine.feed._hidden"]),
        ("from ..engine import _feed", ["logstream.engine._feed"]),
        ("from .. import tmux\ntmux._look()", ["logstream.tmux._look"]),
        ("from ..engine.feed import Feed\ndef f():\n    return Feed._pump", ["logstream.engine.feed.Feed._pump"]),
        ("import logstream.engine.feed\nlogstream.engine.feed._x = 1", ["logstream.engine.feed._x"]),
        ("import logstream.engine.feed as feed\nfeed._x", ["logstream.engine.feed._x"]),
        ("def f():\n    from ..protocol import _deflate", ["logstream.protocol._deflate"]),
        ("if TYPE_CHECKING:\n    from ..protocol import _deflate", ["logstream.protocol._deflate"]),
        ("from .connection import _wait", []),
        ("from ..engine.feed import Feed, __doc__\nself._x = Feed.pump", []),
        ("import os\nos._exit(1)", []),
    ],
)
def test_each_way_to_a_private_name_is_found(source: str, found: list[str]) -> None:
    """An import or an attribute of another wing's is found, wherever it stands; one's own wing is not looked at."""
    assert uses_of_private_names("logstream.web.endpoint", source) == found
