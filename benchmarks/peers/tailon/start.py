"""Start tailon 1.4.3 on Pythons from 3.10 on, by giving its Tornado 4.5 the names that it looks for."""

import collections
import collections.abc

for name in ("Callable", "Iterable", "Mapping", "MutableMapping", "Sequence"):
    setattr(collections, name, getattr(collections.abc, name))

from tailon.main import main  # type: ignore[import-not-found]  # noqa: E402

main()
