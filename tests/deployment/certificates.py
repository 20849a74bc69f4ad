"""Certificates of a broker, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ELLIPTIC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True)
class Certificates:
    """The file of an authority, and those of a server that it has signed."""

    authority: Path
    server: Path
    key: Path

    @property
    def options(self) -> list[str]:
        """What a Redis or Valkey is told of them."""
        files = {"cert-file": self.server, "key-file": self.key, "ca-cert-file": self.authority}
        words = [word for name, path in files.items() for word in (f"--tls-{name}", str(path))]
        return [*words, "--tls-auth-clients", "no"]


def signed(folder: Path, *names: str) -> Certificates:
    """Certificates for a server of these names, such as ``DNS:localhost`` or ``IP:10.0.0.1``."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    folder.mkdir(exist_ok=True)
    made = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    authority = ["-x509", "-days", "2", "-subj", "/CN=authority of the tests", "-keyout", str(folder / "ca.key")]
    _openssl("req", *authority, *ELLIPTIC, "-out", str(made.authority))
    request, extensions = folder / "server.csr", folder / "server.cnf"
    _openssl("req", *ELLIPTIC, "-subj", "/CN=broker", "-keyout", str(made.key), "-out", str(request))
    extensions.write_text(f"subjectAltName={','.join(names)}\n")
    signing = ["-CA", str(made.authority), "-CAkey", str(folder / "ca.key"), "-CAcreateserial", "-days", "2"]
    _openssl("x509", "-req", "-in", str(request), *signing, "-extfile", str(extensions), "-out", str(made.server))
    return made


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)
