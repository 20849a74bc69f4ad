"""Locks on folders and files by ``flock``, what stands in where a file system has none, and signs of life of a file."""

from __future__ import annotations

import errno
import logging
import os
import tempfile
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from pdemill.errors import StoreError

try:
    import fcntl
except ImportError:  # Windows, where stores are read
    fcntl = None  # type: ignore[assignment]

MISSING = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
"""What file systems answer that have no locks: Lustre as it is mounted by default, and some in user space."""

ABANDONED_SECONDS = 86_400.0
"""How old a file must be to count as abandoned where there are no locks."""


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
        self._shared = shared
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
        others = "start nowhere else what is no part of this run" if self._shared else "let no other machine write it"
        logging.getLogger(__name__).warning(
            "the file system of %s has no locks (%s): runs on this machine keep out of each other's way, "
            "but %s meanwhile", self.path, error.strerror, others,
        )  # fmt: skip


def _opened(path: Path) -> int:
    """A file that is made if it is not there, and may be another user's."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    except FileExistsError:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)


def hold(handle: int) -> None:
    """Mark an open file as in use until its handle is closed; the kernel closes it, whatever ends this process."""
    if fcntl is not None:
        with suppress(OSError):  # no locks here, or somebody looks: see is_abandoned
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_abandoned(path: Path) -> bool:
    """Whether the process that held a file is dead: nobody holds it, or, where the file system has no locks, nobody has
    written to it for a day. A process that is stopped or slow holds what it holds."""
    if fcntl is None:
        return False
    try:
        handle = os.open(path, os.O_RDWR)  # NFS locks only what is open for writing
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return time.time() - os.fstat(handle).st_mtime > ABANDONED_SECONDS
    finally:
        os.close(handle)
    return True
