"""Opens buckets by address: ``s3://BUCKET/PREFIX``, ``gs://BUCKET/PREFIX``, ``az://CONTAINER/PREFIX``, through obstore.

Who asks, and which server, is told by the environment, as for other programs: of S3 AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL, or AWS_PROFILE and the files in ~/.aws, or the
role of a machine; of Google GOOGLE_APPLICATION_CREDENTIALS; of Azure AZURE_STORAGE_ACCOUNT_NAME and
AZURE_STORAGE_ACCOUNT_KEY. Requests to S3 for which there is no key are not signed, as public buckets allow.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx

from pdemill.addresses import scheme_of, shown
from pdemill.errors import StoreError
from pdemill.extras import library

ADDRESS = re.compile(r"(s3|gs|az)://([^/]+)/*(.*?)/*", re.IGNORECASE)
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
ELSEWHERE = (
    "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"
)  # fmt: skip
"""Variables that tell where keys are to be had."""
ROLE_URL = "http://169.254.169.254/latest/api/token"
"""Where a machine of Amazon's asks for the keys of its role."""
REQUEST = "180s"
"""How long a request may take, with the file that it sends or gets; a whole shard is one."""


def parts_of(address: str) -> tuple[str, str, str]:
    """Scheme, bucket and prefix of an address. Raises StoreError."""
    found = ADDRESS.fullmatch(address)
    if not found:
        scheme = scheme_of(address) or "s3"
        raise StoreError(f"{shown(address)} is no place for a store: give {scheme}://BUCKET/PREFIX")
    return found[1].lower(), found[2], found[3]


def opened(address: str) -> Any:
    """What obstore works with for the objects below an address. Raises MissingExtra, StoreError."""
    scheme, bucket, prefix = parts_of(address)
    library("obstore", "objects", shown(address))
    stores = import_module("obstore.store")
    try:
        if scheme == "gs":
            return stores.GCSStore(bucket, prefix=prefix or None, client_options={"timeout": REQUEST})
        if scheme == "az":
            http = os.environ.get("AZURE_STORAGE_ENDPOINT", "").startswith("http://")
            return stores.AzureStore(
                bucket, prefix=prefix or None, client_options={"allow_http": http, "timeout": REQUEST}
            )
        options = s3_options(os.environ)
        if not options.get("endpoint", "http://").lower().startswith(("http://", "https://")):
            raise ValueError(f"its endpoint {shown(options['endpoint'])} should begin with http:// or https://")
        http = options.get("endpoint", "").lower().startswith("http://")
        return stores.S3Store(
            bucket, prefix=prefix or None, client_options={"allow_http": http, "timeout": REQUEST}, **options
        )
    except Exception as error:  # obstore has many kinds, and none for a setting that is wrong
        raise StoreError(f"{shown(address)} cannot be opened: {str(error).splitlines()[0]}") from None


def s3_options(environment: Mapping[str, str]) -> dict[str, Any]:
    """What obstore does not find in the environment by itself."""
    options: dict[str, Any] = {}
    told = {} if "AWS_ACCESS_KEY_ID" in environment else _profile(environment)
    if endpoint := next((environment[n] for n in ENDPOINTS if environment.get(n)), told.get("endpoint_url")):
        options["endpoint"] = endpoint
    if "AWS_REGION" not in environment and "AWS_DEFAULT_REGION" not in environment and "region" in told:
        options["region"] = told["region"]
    keys = {name: told[f"aws_{name}"] for name in ("access_key_id", "secret_access_key", "session_token")
            if f"aws_{name}" in told}  # fmt: skip
    if "access_key_id" in keys:
        options |= keys
    elif "AWS_ACCESS_KEY_ID" not in environment and not any(n in environment for n in ELSEWHERE):
        options["skip_signature"] = not _has_role(environment)
    return options


def _profile(environment: Mapping[str, str]) -> dict[str, str]:
    """What the files in ~/.aws tell of a profile."""
    name = environment.get("AWS_PROFILE", "default")
    found: dict[str, str] = {}
    for variable, file, section in (
        ("AWS_CONFIG_FILE", "config", name if name == "default" else f"profile {name}"),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials", name),
    ):
        path = Path(environment.get(variable) or Path.home() / ".aws" / file).expanduser()
        parser = ConfigParser(interpolation=None)
        try:
            parser.read(path, encoding="utf-8")
        except (ConfigError, UnicodeDecodeError) as error:
            raise StoreError(f"{path} cannot be read: {error}") from None
        if parser.has_section(section):
            found |= dict(parser[section])
    return found


def _has_role(environment: Mapping[str, str]) -> bool:
    """Whether this is a machine that can be asked for the keys of its role."""
    if environment.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return False
    try:
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        return httpx.put(ROLE_URL, headers=headers, timeout=1.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False
