"""A store in a bucket of an object store that speaks S3, read through boto3.

Credentials, region and endpoint are what boto3 finds: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_DEFAULT_REGION,
AWS_ENDPOINT_URL_S3, AWS_PROFILE and the files in ~/.aws, roles of a machine. Where it finds no credentials, requests
are not signed, as public buckets allow. boto3 has no threads of its own, so that readers survive a fork.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from pdemill.errors import StoreError
from pdemill.extras import library
from pdemill.reader.files import Changed

ADDRESS = re.compile(r"s3://([^/]+)/?(.*?)/*")
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
TRIES = 3
"""How often bytes are asked for that stop coming half-way; requests that fail are repeated by boto3."""


class S3Files:
    """Objects below ``s3://BUCKET/PREFIX``. Raises MissingExtra, StoreError."""

    threads = 8
    nearby = 2**16
    most = 2**22

    def __init__(self, address: str) -> None:
        found = ADDRESS.fullmatch(address)
        if not found:
            raise StoreError(f"{address} is no place for a store: give s3://BUCKET/PREFIX")
        self._address, self._bucket, self._prefix = address.rstrip("/"), found[1], found[2]
        self._boto3 = library("boto3", "s3", f"reading {address}")
        self._errors = library("botocore.exceptions", "s3", f"reading {address}")
        self._clients: dict[int, Any] = {}

    def read(self, name: str) -> bytes:
        return self._get(name)[0]

    def exists(self, name: str) -> bool:
        try:
            self._asked(name, lambda place: self._client().head_object(**place))
        except FileNotFoundError:
            return False
        return True

    def tail(self, name: str, length: int) -> tuple[bytes, int, Hashable]:
        data, answer = self._get(name, Range=f"bytes=-{length}")
        return data, self._span(name, answer)[1], answer["ETag"]

    def part(self, name: str, start: int, length: int, tag: Hashable) -> bytes:
        data, answer = self._get(name, Range=f"bytes={start}-{start + length - 1}", IfMatch=tag)
        if answer["ETag"] != tag:
            raise Changed(name)
        if self._span(name, answer)[0] != start:
            raise StoreError(f"{self._address}/{name} was answered with another part than was asked for")
        return data

    def _get(self, name: str, **wanted: Any) -> tuple[bytes, Mapping[str, Any]]:
        """The bytes of an object or of a part of it, and the headers of the answer."""

        def once(place: Mapping[str, str]) -> tuple[bytes, Mapping[str, Any]]:
            answer = self._client().get_object(**place, **wanted)
            return answer["Body"].read(), answer

        return self._asked(name, once)

    def _asked[T](self, name: str, ask: Callable[[Mapping[str, str]], T]) -> T:
        place = {"Bucket": self._bucket, "Key": f"{self._prefix}/{name}".lstrip("/")}
        for left in reversed(range(TRIES)):
            try:
                return ask(place)
            except self._errors.ClientError as error:
                raise self._refused(name, error) from None
            except self._errors.BotoCoreError as error:
                if not left or not isinstance(error, self._errors.HTTPClientError):
                    raise StoreError(f"{self._address}/{name} cannot be read: {error}") from None
        raise AssertionError

    def _refused(self, name: str, error: Any) -> Exception:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 412:
            return Changed(name)
        if status == 404 and error.response["Error"].get("Code") != "NoSuchBucket":
            return FileNotFoundError(name)
        return StoreError(f"{self._address}/{name} cannot be read: {error}")

    def _client(self) -> Any:
        """The client of this process: connections are not shared with the processes that it forks."""
        client = self._clients.get(os.getpid())
        if client is None:
            session = self._boto3.session.Session()
            options: dict[str, Any] = {"max_pool_connections": self.threads}
            if session.get_credentials() is None:
                options["signature_version"] = library("botocore", "s3", "reading a bucket").UNSIGNED
            config = library("botocore.config", "s3", "reading a bucket").Config(**options)
            client = self._clients.setdefault(os.getpid(), session.client("s3", config=config))
        return client

    def _span(self, name: str, answer: Mapping[str, Any]) -> tuple[int, int]:
        """First byte of a part, and length of the whole object."""
        found = RANGE.fullmatch(answer.get("ContentRange", ""))
        if not found:
            raise StoreError(f"{self._address}/{name}: the server does not give parts of objects")
        return int(found[1]), int(found[3])
