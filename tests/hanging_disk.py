"""A real file system on which chosen files hang: a directory, seen through FUSE.

Files of it can be shown in another directory, beside files that never hang.

As a program, `python -m tests.hanging_disk <directory> <mount point> <orders>`, it is that file system. While the
directory of orders has a file `<call>-<name>`, the call hangs for the file of that name; `asked-<call>-<name>` appears
as soon as one does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .serving import ROOT, wait_until
from .surroundings import may_administer


class HangingDisk:
    """Such a file system, mounted."""

    def __init__(self, base: Path, mount_point: Path) -> None:
        """Mount it at a directory that exists; skip the test where that cannot be."""
        _check_system()
        self.mount_point = mount_point
        self.directory = base / "behind-the-disk"  # the same files, which never hang
        self.directory.mkdir()
        self._orders = base / "orders"
        self._orders.mkdir()
        self._shown: list[Path] = []
        arguments = [str(self.directory), str(mount_point), str(self._orders)]
        self._process = subprocess.Popen([sys.executable, "-m", "tests.hanging_disk", *arguments], cwd=ROOT)
        wait_until(lambda: os.path.ismount(mount_point) or self._process.poll() is not None, 10)
        assert os.path.ismount(mount_point)

    def show(self, path: Path) -> Path:
        """Have an empty file of this disk at a path elsewhere. Returns where the file can be had without the disk."""
        behind = self.directory / path.name
        behind.touch()
        path.touch()
        subprocess.run(["mount", "--bind", self.mount_point / path.name, path], check=True)
        self._shown.append(path)
        return behind

    def hang(self, call: str, path: Path) -> None:
        """From now on `read` or `getattr` of a file does not come back."""
        (self._orders / f"{call}-{path.name}").touch()

    def is_asked(self, call: str, path: Path) -> bool:
        """Whether somebody hangs in that call."""
        return (self._orders / f"asked-{call}-{path.name}").exists()

    def answer(self) -> None:
        """All is well again, for who hangs too."""
        for order in list(self._orders.iterdir()):
            order.unlink()

    def close(self) -> None:
        """Answer everybody, and unmount, even if files are still open."""
        self.answer()
        for path in (*self._shown, self.mount_point):
            subprocess.run(["umount", "-l", path], check=False)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:  # somebody still has a file open
            self._process.kill()  # which the kernel takes for the end of the disk: whoever hangs gets an error
            self._process.wait()


def _check_system() -> None:
    if not (os.access("/dev/fuse", os.R_OK | os.W_OK) and may_administer()):
        pytest.skip("needs /dev/fuse, and to be allowed to mount it")
    try:
        import mfusepy  # noqa: F401
    except OSError:
        pytest.skip("needs libfuse: apt-get install fuse3")


def main(directory: str, mount_point: str, orders: str) -> None:
    """Be that file system until it is unmounted."""
    from mfusepy import FUSE, Operations

    def real(call: str, path: str) -> str:
        name = os.path.basename(path)
        order = os.path.join(orders, f"{call}-{name}")
        if os.path.exists(order):
            Path(orders, f"asked-{call}-{name}").touch()
            while os.path.exists(order):
                time.sleep(0.005)
        return directory + path

    class Disk(Operations):  # type: ignore[misc]
        use_ns = True

        def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
            found = os.lstat(real("getattr", path))
            names = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_ino", "st_blocks")
            times = {name: getattr(found, f"{name}_ns") for name in ("st_atime", "st_mtime", "st_ctime")}
            return {name: getattr(found, name) for name in names} | times

        def readdir(self, path: str, fh: int) -> list[str]:
            return [".", "..", *os.listdir(directory + path)]

        def open(self, path: str, flags: int) -> int:
            return os.open(directory + path, flags & (os.O_ACCMODE | os.O_TRUNC))

        def create(self, path: str, mode: int, fi: Any = None) -> int:
            return os.open(directory + path, os.O_RDWR | os.O_CREAT, mode)

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            real("read", path)
            return os.pread(fh, size, offset)

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            return os.pwrite(fh, data, offset)

        def release(self, path: str, fh: int) -> None:
            os.close(fh)

        def truncate(self, path: str, length: int, fh: int | None = None) -> None:
            os.truncate(directory + path, length)

        def fsync(self, path: str, datasync: bool, fh: int) -> None:
            os.fsync(fh)

        def utimens(self, path: str, times: tuple[int, int]) -> None:
            os.utime(directory + path, ns=times)

        def chmod(self, path: str, mode: int) -> None:
            os.chmod(directory + path, mode)

        def mkdir(self, path: str, mode: int) -> None:
            os.mkdir(directory + path, mode)

        def rename(self, old: str, new: str) -> None:
            os.rename(directory + old, directory + new)

        def unlink(self, path: str) -> None:
            os.unlink(directory + path)

    # Each look is one at the real file, and each read: nothing is taken from the kernel's caches.
    uncached = {"attr_timeout": 0, "entry_timeout": 0, "negative_timeout": 0, "direct_io": True}
    FUSE(Disk(), mount_point, foreground=True, use_ino=True, max_threads=100, **uncached)


if __name__ == "__main__":
    main(*sys.argv[1:])
