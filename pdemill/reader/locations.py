"""Opens the files of a store wherever they are: a folder, a server, a bucket."""

from __future__ import annotations

import os
from pathlib import Path

from pdemill.addresses import OBJECT_STORES, in_bucket, on_disk, scheme_of, shown
from pdemill.errors import StoreError
from pdemill.reader.files import Files, LocalFiles

SCHEMES = ("http", "https", *OBJECT_STORES)


def located(store: str | os.PathLike[str]) -> str | Path:
    """Where a store is, whatever folder this process goes to: its address, or its absolute path. Raises StoreError."""
    scheme = scheme_of(store)
    if scheme is None:
        return on_disk(store, "the store")
    address = os.fspath(store)
    rest = address[len(scheme) :]
    if not rest.startswith("://"):
        raise StoreError(f"{shown(address)} has lost a slash: give the address as text, not as a Path")
    if scheme not in SCHEMES:
        raise StoreError(
            f"{shown(address)} is no place for a store: give a folder, or an address with "
            "http://, https://, s3://, gs:// or az://"
        )
    return scheme + rest


def files_at(store: str | os.PathLike[str], api_key: str | None = None) -> Files:
    """The files of the store at a path or an address. Raises StoreError for a kind of address that is unknown."""
    match place := located(store):
        case Path():
            return LocalFiles(place)
        case str() if in_bucket(place):
            from pdemill.reader.objects import (
                ObjectFiles,
            )  # late: who reads local stores need not wait for other libraries

            return ObjectFiles(place)
        case _:
            from pdemill.reader.http import HttpFiles

            return HttpFiles(place, api_key)
