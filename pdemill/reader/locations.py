"""Opens the files of a store wherever they are: a folder, a server, a bucket."""

from __future__ import annotations

from pathlib import Path

from pdemill.errors import StoreError
from pdemill.reader.files import Files, LocalFiles


def files_at(store: str | Path, api_key: str | None = None) -> Files:
    """The files of the store at a path or an address. Raises StoreError for a kind of address that is unknown."""
    scheme, mark, _ = str(store).partition("://")
    if not mark:
        return LocalFiles(store)
    if scheme in ("http", "https"):
        from pdemill.reader.http import HttpFiles  # late: who reads local stores need not wait for an HTTP library

        return HttpFiles(str(store), api_key)
    if scheme == "s3":
        from pdemill.reader.s3 import S3Files

        return S3Files(str(store))
    raise StoreError(f"{store} is no place for a store: give a folder, or an address with http://, https:// or s3://")
