"""A module of the package once more, as it is in other surroundings."""

from importlib.util import find_spec, module_from_spec
from typing import Any


def load_again(name: str) -> Any:
    """A second copy of a module, which nobody else sees."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
