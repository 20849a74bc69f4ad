"""Users' own arrays on their way in: sent in parts, checked as a whole, then known by their content.

An upload is two files, what is known of it and the bytes so far. Parts may come twice: what is written is what was
said. It ends as an array in the folder of all of them, which every key may name by its id; what is known of an
upload stays, so that its owner is charged for the array.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock
from uuid import uuid4

from pdemill import arrays
from pdemill.errors import ArrayError
from pdemill.service.keys import Owner
from pdemill.service.limits import most_bytes
from pdemill.service.problems import Refusal
from pdemill.service.state import AppState
from pdemill.settings import Settings
from pdemill.store.disk import LocalDisk
from pdemill.store.places import disk_at
from pdemill.store.placing import write_durably
from pdemill.store.room import free_bytes

LEFT_SECONDS = 86_400.0
"""After so long without a part an upload is given up."""
MOST_UPLOADS = 1000
"""Of one owner, arrays that they have become among them: each request looks at all."""
_finishing = Lock()


@dataclass(frozen=True)
class Upload:
    """An upload of ``bytes`` bytes by ``owner``, the id of the array that it is said to be, if that was said, and that
    of the ``array`` that it has become."""

    id: str
    owner: str
    bytes: int
    said: str | None = None
    array: str | None = None


def begin(state: AppState, owner: Owner, size: int, said: str | None = None) -> Upload:
    """Make room for an upload, or go on with the one that this owner began for the same array. Raises Refusal where
    there is no room."""
    settings, known = state.settings, list(_all(state.settings))
    _give_up(settings, known)
    own = [one for one in known if one.owner == owner.name]
    for one in own:
        if said is not None and (one.said, one.bytes) == (said, size):
            return one
    if len(own) >= MOST_UPLOADS:
        raise Refusal(403, f"{owner.name} has {len(own):,} uploads, as many as are possible; delete some first")
    if size > settings.max_array_bytes:
        limit = settings.max_array_bytes
        raise Refusal(413, f"an array may have {limit:,} bytes at most, not {size:,} (PDEMILL_MAX_ARRAY_BYTES)")
    most, wanted = most_bytes(settings, owner), size + sum(one.bytes for one in own)
    if most is not None and wanted > most:
        raise Refusal(403, f"the arrays of {owner.name} would have {wanted:,} bytes, of {most:,}; delete some first")
    free = min(left for left in (free_bytes(settings.state), settings.free_bytes()) if left is not None)
    if 2 * size > free:
        raise Refusal(507, f"the disk of the data directory has {free:,} bytes left, and {2 * size:,} are needed")
    made = Upload(uuid4().hex, owner.name, size, said)
    settings.uploads.mkdir(exist_ok=True)
    _bytes_of(settings, made).touch()
    _note(settings, made)
    return made


def find(state: AppState, owner: Owner, upload: str) -> Upload:
    """An upload of this owner, for admins of any, or 404."""
    with suppress(OSError, ValueError, TypeError):
        found = _read(_facts_of(state.settings, upload))
        if owner.is_admin or found.owner == owner.name:
            return found
    raise Refusal(404, "there is no such upload")


def received(state: AppState, upload: Upload) -> int:
    """How many bytes are there, from the first."""
    try:
        return _bytes_of(state.settings, upload).stat().st_size
    except FileNotFoundError:
        return upload.bytes if upload.array else 0


def put(state: AppState, upload: Upload, offset: int, part: bytes) -> None:
    """Write a part, which begins where the ones before end, or before that."""
    there = received(state, upload)
    if upload.array is not None:
        return
    if offset > there:
        raise Refusal(409, f"the upload has {there:,} bytes; go on from there, not from {offset:,}")
    if offset + len(part) > upload.bytes:
        raise Refusal(422, f"the upload was said to have {upload.bytes:,} bytes, and this part goes beyond")
    handle = os.open(_bytes_of(state.settings, upload), os.O_WRONLY)
    try:
        written = 0
        while written < len(part):
            written += os.pwrite(handle, part[written:], offset + written)
    finally:
        os.close(handle)


def finish(state: AppState, upload: Upload) -> Upload:
    """Take what was sent for an array in the format NPY. Raises Refusal where it is none."""
    with _finishing:
        if upload.array is not None or (upload := _read(_facts_of(state.settings, upload.id))).array is not None:
            return upload
        if (there := received(state, upload)) < upload.bytes:
            raise Refusal(409, f"the upload has {there:,} of {upload.bytes:,} bytes; send the others first")
        file = _bytes_of(state.settings, upload)
        try:
            known = arrays.register(file, "the upload")
            if upload.said not in (None, known):
                arrays.forget(known)
                raise ArrayError(f"the upload is the array {known}, not {upload.said}")
        except ArrayError as error:
            remove(state, upload)
            raise Refusal(422, str(error)) from None
        arrays.keep(known, state.settings.arrays)
        done = replace(upload, array=known)
        _note(state.settings, done)
        file.unlink(missing_ok=True)
        return done


def remove(state: AppState, upload: Upload) -> None:
    """Forget an upload, and its array if no other upload has become that one; stores keep their copies."""
    for path in (_facts_of(state.settings, upload.id), _bytes_of(state.settings, upload)):
        path.unlink(missing_ok=True)
    if upload.array is not None and all(one.array != upload.array for one in _all(state.settings)):
        disk = disk_at(state.settings.arrays)
        for name in arrays.files_of(upload.array):
            if disk.exists(name):
                disk.remove(name)
        arrays.forget(upload.array)


def of(state: AppState, owner: Owner) -> list[Upload]:
    """The uploads of an owner."""
    return sorted((one for one in _all(state.settings) if one.owner == owner.name), key=lambda one: one.id)


def _read(path: Path) -> Upload:
    return Upload(**json.loads(path.read_text(encoding="utf-8")))


def _all(settings: Settings) -> Iterator[Upload]:
    for path in settings.uploads.glob("*.json"):
        with suppress(FileNotFoundError):  # removed meanwhile
            yield _read(path)


def _give_up(settings: Settings, known: list[Upload]) -> None:
    for upload in [one for one in known if one.array is None]:
        with suppress(FileNotFoundError):
            if time.time() - _bytes_of(settings, upload).stat().st_mtime > LEFT_SECONDS:
                _facts_of(settings, upload.id).unlink()
                _bytes_of(settings, upload).unlink()
                known.remove(upload)


def _note(settings: Settings, upload: Upload) -> None:
    write_durably(LocalDisk(settings.uploads), f"{upload.id}.json", json.dumps(asdict(upload)).encode())


def _facts_of(settings: Settings, upload: str) -> Path:
    return settings.uploads / f"{upload}.json"


def _bytes_of(settings: Settings, upload: Upload) -> Path:
    return settings.uploads / f"{upload.id}.npy"
