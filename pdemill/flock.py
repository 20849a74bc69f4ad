"""Locks on folders and files by ``flock``, and what stands in where a file system has none."""

from __future__ import annotations

import errno
import logging
import os
import tempfile
from hashlib import sha256
from pathlib import Path

from pdemill.errors import StoreError

try:
    import fcntl
except ImportError:  # Windows, where stores are read
    fcntl = None  # type: ignore[assignment]

MISSING = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
"""What file systems answer that have no locks: Lustre as it is mounted by default, and some in user space."""


class FileLock:
    """A lock on a ``folder`` or a file, held by this process and by every child that inherits ``handle``. A file is
    made if it is not there.

    Where the file system has no locks, a file in the temporary folder of this machine is locked in its place: that
    keeps processes of this machine apart, and a warning says that others are not.
    """

    def __init__(self, path: Path, folder: bool = False, shared: bool = False) -> None:
        if fcntl is None:
            raise StoreError("stores are written on Linux and macOS only; on Windows, run pdemill in WSL")
        self.path = path
        self._kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
        self._stands_in = False
        self.handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY if folder else os.O_RDWR | os.O_CREAT, 0o600)

    def take(self) -> bool:
        """Whether it is held from now on; False while another process has it."""
        try:
            fcntl.flock(self.handle, self._kind)
        except BlockingIOError:
            return False
        except OSError as error:
            if self._stands_in or error.errno not in MISSING:
                raise StoreError(f"cannot lock {self.path}: {error.strerror}; use another file system") from error
            self._stand_in(error)
            return self.take()
        return True

    def release(self) -> None:
        os.close(self.handle)

    def _stand_in(self, error: OSError) -> None:
        name = sha256(os.fsencode(self.path.resolve())).hexdigest()[:32]
        try:
            handle = _opened(Path(tempfile.gettempdir()) / f"pdemill-{name}.lock")
        except OSError:
            raise StoreError(f"cannot lock {self.path}: {error.strerror}; use another file system") from error
        os.close(self.handle)
        self.handle, self._stands_in = handle, True
        logging.getLogger(__name__).warning(
            "the file system of %s has no locks (%s): runs on this machine keep out of each other's way, "
            "but let no other machine write it meanwhile", self.path, error.strerror,
        )  # fmt: skip


def _opened(path: Path) -> int:
    """A file that is made if it is not there, and may be another user's."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    except FileExistsError:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
