"""What a worker tells whoever asks over HTTP."""

from __future__ import annotations

import httpx
import pytest

from pdemill.errors import PdemillError
from pdemill.workers import probe


def test_a_worker_tells_how_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = ""
    monkeypatch.setattr(probe, "pulse", pulse := probe.Pulse())
    port = probe.listen(0, lambda: trouble, "127.0.0.1")

    def told() -> list[tuple[int, str]]:
        answers = [httpx.get(f"http://127.0.0.1:{port}/{path}") for path in ("healthz", "readyz")]
        return [(answer.status_code, answer.text.strip()) for answer in answers]

    assert told() == [(200, "ok"), (503, "it is starting")]
    pulse.beat()
    assert told() == [(200, "ok"), (200, "ok")]
    pulse.beat("the broker does not answer")
    assert told() == [(200, "ok"), (503, "the broker does not answer")]
    pulse.beat()
    trouble = "the data directory is not there"
    assert told() == [(200, "ok"), (503, trouble)]
    monkeypatch.setattr(probe, "PATIENCE_SECONDS", -1.0)
    trouble = ""
    assert [status for status, _ in told()] == [503, 503]
    assert httpx.get(f"http://127.0.0.1:{port}/metrics").status_code == 404
    with pytest.raises(PdemillError, match="choose another --health-port"):
        probe.listen(port, lambda: "", "127.0.0.1")
