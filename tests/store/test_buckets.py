"""Buckets are opened by their addresses, and puts are fenced by conditions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pdemill.addresses import OBJECT_STORES, home, in_bucket
from pdemill.errors import StoreAway, StoreError
from pdemill.objects import Changed
from pdemill.objects.bucket import Bucket
from pdemill.objects.opening import opened, parts_of, s3_options

obstore: Any = pytest.importorskip("obstore")


@pytest.mark.parametrize(("address", "parts"), [
    ("s3://mill/sets/darcy.zarr", ("s3", "mill", "sets/darcy.zarr")),
    ("S3://mill/sets/darcy.zarr/", ("s3", "mill", "sets/darcy.zarr")),
    ("gs://mill", ("gs", "mill", "")),
    ("az://mill/x.zarr", ("az", "mill", "x.zarr")),
])  # fmt: skip
def test_addresses_of_buckets(address: str, parts: tuple[str, str, str]) -> None:
    assert in_bucket(address)
    assert parts_of(address) == parts


def test_what_is_no_address_of_a_bucket() -> None:
    assert not in_bucket("https://host/s3://x")
    assert not in_bucket("folder/x.zarr")
    with pytest.raises(StoreError, match="gs://BUCKET/PREFIX"):
        parts_of("gs://")
    with pytest.raises(StoreError, match="lost a slash"):
        home(Path("s3://mill/x.zarr"), "the store")


def test_every_kind_of_bucket_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("GOOGLE_SKIP_SIGNATURE", "true"), ("AZURE_STORAGE_ACCOUNT_NAME", "mill"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    kinds = [type(opened(f"{scheme}://mill/x.zarr")).__name__ for scheme in OBJECT_STORES]
    assert kinds == ["S3Store", "GCSStore", "AzureStore"]


def test_keys_come_from_the_environment_a_profile_or_nowhere(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[profile mill]\nregion = eu-west-1\nendpoint_url = http://there\n")
    (tmp_path / "keys").write_text("[mill]\naws_access_key_id = A\naws_secret_access_key = B\n")
    files = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys")}
    assert s3_options({**files, "AWS_PROFILE": "mill"}) == {
        "endpoint": "http://there", "region": "eu-west-1", "access_key_id": "A", "secret_access_key": "B"
    }  # fmt: skip
    assert s3_options({"AWS_ACCESS_KEY_ID": "A", "AWS_ENDPOINT_URL": "http://here", **files}) == {
        "endpoint": "http://here"
    }
    assert s3_options({**files, "AWS_EC2_METADATA_DISABLED": "true"}) == {"skip_signature": True}
    assert s3_options({**files, "AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}) == {}


def test_puts_on_a_condition() -> None:
    bucket = Bucket("s3://mill/x", obstore.store.MemoryStore())
    first = bucket.put("a", b"1", None)
    with pytest.raises(FileExistsError):
        bucket.put("a", b"2", None)
    second = bucket.put("a", b"22", first, kept=False)
    with pytest.raises(Changed):
        bucket.put("a", b"333", first)
    assert bucket.head("a") == (2, second)
    assert bucket.get("a") == (b"22", (2, second), 0)
    assert bucket.get("a", span=(1, 5)) == (b"2", (2, second), 1)
    assert bucket.get("a", last=1) == (b"2", (2, second), 1)
    with pytest.raises(Changed):
        bucket.get("a", tag=first)
    assert [name for name, _ in bucket.names()] == ["a"]
    bucket.delete("a")
    bucket.delete("a")
    for ask in (bucket.get, bucket.head):
        with pytest.raises(FileNotFoundError):
            ask("a")


def test_a_server_that_is_not_there_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdemill.objects.bucket.PAUSE", 0.0)
    for name, value in (("ACCESS_KEY_ID", "A"), ("SECRET_ACCESS_KEY", "B"), ("ENDPOINT_URL", "http://127.0.0.1:9")):
        monkeypatch.setenv(f"AWS_{name}", value)
    with pytest.raises(StoreAway, match=r"no answer .*error sending request.*run it again"):
        Bucket("s3://mill/x").get("a")


def test_an_endpoint_without_a_scheme_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:9000")
    with pytest.raises(StoreError, match=r"its endpoint 127\.0\.0\.1:9000 should begin with http:// or https://"):
        opened("s3://mill/x")
