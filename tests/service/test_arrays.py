"""Users' own arrays over HTTP: uploaded in parts, checked as a whole, named by their content."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import numpy as np
import pytest

import pdemill
from pdemill import arrays
from pdemill.client import Client
from pdemill.errors import ServerError, SpecError
from pdemill.service.testing import Server
from tests.service.api import serving, without_broker

K = np.exp(np.random.default_rng(3).standard_normal((6, 300, 300)))
NETWORK = Path(__file__).parents[2] / "examples" / "directions" / "dcdm-pressure.npz"
SPEC: dict[str, Any] = {
    "problem": {
        "family": "darcy", "resolution": [16, 16],
        "coefficient": {"field": "array", "file": "k.npy", "interpolate": "linear"},
    },
    "samples": 6,
    "solver": {"method": "direct"},
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), workers=1, PDEMILL_MAX_ARRAY_BYTES="5e6") as running:
        yield running


@pytest.fixture
def client(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client, in a folder with K, of which the process knows nothing yet."""
    monkeypatch.chdir(tmp_path)
    for known in ("_known", "_files", "_folders"):
        monkeypatch.setattr(arrays, known, {})
    np.save("k.npy", K)
    with server.client() as one:
        yield one


def _ask(server: Server, method: str, path: str, **details: Any) -> httpx.Response:
    return httpx.request(method, f"{server.url}/v1/arrays{path}", timeout=60.0, **details)


def _begin(server: Server, size: int, **said: Any) -> str:
    answer = _ask(server, "POST", "", json={"bytes": size, **said})
    assert answer.status_code == 201, answer.text
    return f"/uploads/{answer.json()['id']}"


def _send(server: Server, data: bytes) -> httpx.Response:
    place = _begin(server, len(data))
    for offset in range(0, len(data), 1_000_000):
        part = data[offset : offset + 1_000_000]
        assert _ask(server, "PUT", place, params={"offset": offset}, content=part).status_code == 200
    return _ask(server, "POST", place)


def test_a_job_uploads_what_it_names_and_gives_the_store_of_this_machine(client: Client, tmp_path: Path) -> None:
    job = client.submit(SPEC).wait(180)
    assert pdemill.generate(SPEC, "own.zarr", workers=0).ok
    found, own = pdemill.verify(job.results()["store"]["path"]), pdemill.verify("own.zarr")
    assert found.ok
    assert found.content == own.content
    copied = job.download(tmp_path / "copy.zarr")
    assert pdemill.verify(copied).ok
    assert (copied / arrays.name_of(arrays.register("k.npy"))).is_file()


def test_a_job_uploads_the_network_that_its_method_names(client: Client) -> None:
    spec = {"problem": {"family": "poisson", "resolution": [8, 8, 8]}, "samples": 2}
    whole = {**spec, "solver": {"method": "dcdm", "directions": {"file": str(NETWORK)}}}
    job = client.submit(whole).wait(180)
    found = pdemill.verify(job.results()["store"]["path"])
    assert found.ok
    assert pdemill.generate(whole, "own.zarr", workers=0).ok
    assert found.content == pdemill.verify("own.zarr").content
    with pytest.raises(SpecError) as refused:
        client.submit({**spec, "solver": {"method": "dcdm", "directions": {"file": "k.npy"}}})
    assert [fault.path for fault in refused.value.faults] == [("solver", "directions", "array")]


def test_what_is_there_is_not_sent_again(client: Client) -> None:
    sent: list[int] = []
    known = client.upload("k.npy", lambda there, size: sent.append(there))
    sent.clear()
    assert client.upload("k.npy", lambda there, size: sent.append(there)) == known
    assert not sent


def test_an_interrupted_upload_goes_on(server: Server, client: Client) -> None:
    np.save("other.npy", 2.0 * K)

    class Killed(Exception):
        pass

    sent: list[int] = []

    def watch(there: int, size: int) -> None:
        sent.append(there)
        if len(sent) in (2, 4):
            raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            client.upload("other.npy", watch)
    known = client.upload("other.npy", watch)
    assert sent == [1_000_000, 2_000_000, 3_000_000, 4_000_000, arrays.npy_bytes(known)]
    assert _ask(server, "GET", f"/{known}").json()["shape"] == [6, 300, 300]


def test_parts_may_come_twice_and_leave_no_hole(server: Server) -> None:
    values = np.arange(24.0).reshape(2, 3, 4)
    known = arrays.hold(values)
    data = b"".join(arrays.npy_parts(known, 10**6))
    place = _begin(server, len(data))
    assert _ask(server, "PUT", place, params={"offset": 10}, content=data[10:]).status_code == 409
    assert _ask(server, "POST", place).status_code == 409
    for offset, end in ((0, 50), (20, 100), (0, 30), (100, len(data))):
        answer = _ask(server, "PUT", place, params={"offset": offset}, content=data[offset:end])
        assert answer.status_code == 200, answer.text
    assert _ask(server, "GET", place).json()["received"] == len(data)
    assert _ask(server, "PUT", place, params={"offset": len(data)}, content=b"x").status_code == 422
    assert _ask(server, "POST", place).json()["array"] == {
        "id": known, "shape": [2, 3, 4], "dtype": "<f8", "low": 0.0, "high": 23.0
    }  # fmt: skip
    assert _ask(server, "POST", place).json()["array"]["id"] == known


def _npy(values: Any) -> bytes:
    return b"".join(arrays.npy_parts(arrays.hold(np.asarray(values)), 10**6))


def _header(dtype: str, shape: str, data: bytes = b"") -> bytes:
    told = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117)
    return b"\x93NUMPY\x01\x00\x76\x00" + told.encode() + b"\n" + data


GOOD = np.ones((2, 4, 4))
HOSTILE = {
    "no array": b"PK no array",
    "pickled objects": _header("'|O'", "(2, 4)", bytes(64)),
    "complex": _header("'<c16'", "(2, 4)", bytes(128)),
    "a shape of 10^12": _header("'<f8'", "(10**12, 4)", bytes(64)),
    "a vast shape": _header("'<f8'", "(999999999999, 4)", bytes(64)),
    "a header of code": _header("__import__('os').getcwd()", "(2, 4)", bytes(64)),
    "a long header": b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{'descr': '<f8'}".ljust(300),
    "half an array": _npy(GOOD)[:-64],
    "one axis": _header("'<f8'", "(8,)", bytes(64)),
    "not finite": _npy(GOOD)[:-8] + np.array(np.nan).tobytes(),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_array_is_refused_and_deleted(server: Server, what: str) -> None:
    before = _ask(server, "GET", "").json()
    answer = _send(server, HOSTILE[what])
    assert answer.status_code == 422, answer.text
    assert str(server.data_dir) not in answer.text
    assert _ask(server, "GET", "").json() == before


def test_an_upload_of_another_array_than_was_said_is_refused(server: Server) -> None:
    data = _npy(GOOD)
    place = _begin(server, len(data), array="0" * 64)
    _ask(server, "PUT", place, content=data)
    assert _ask(server, "POST", place).status_code == 422


def test_what_is_too_large_is_refused(server: Server, client: Client) -> None:
    assert _ask(server, "POST", "", json={"bytes": 5_000_001}).status_code == 413
    place = _begin(server, 4_000_000)
    assert _ask(server, "PUT", place, content=bytes(1_000_001)).status_code == 413
    assert _ask(server, "DELETE", place).status_code == 204
    assert _ask(server, "GET", place).status_code == 404


def test_an_owner_has_so_many_uploads_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdemill.service.uploads.MOST_UPLOADS", 2)
    with serving(without_broker(tmp_path)) as api:
        begun = [api.post("/v1/arrays", {"bytes": 9}) for _ in range(3)]
        assert [answer.status for answer in begun] == [201, 201, 403]
        assert api.ask("DELETE", begun[0].json["link"]).status == 204
        assert api.post("/v1/arrays", {"bytes": 9}).status == 201


def test_a_spec_whose_array_is_nowhere_is_refused(client: Client) -> None:
    spec = {**SPEC, "problem": {**SPEC["problem"], "coefficient": {"field": "array", "array": "0" * 64}}}
    with pytest.raises(SpecError, match=r"problem\.coefficient\.array: no array 000000000000"):
        client.submit(spec)
    with pytest.raises(ServerError, match="no such array"):
        client._ask("GET", "/v1/arrays/" + "0" * 64)


def test_a_deleted_array_stays_in_its_stores(server: Server, client: Client) -> None:
    np.save("k.npy", 3.0 * K[:4])
    job = client.submit({**SPEC, "samples": 4}).wait(180)
    known = arrays.register("k.npy")
    (upload,) = [one for one in _ask(server, "GET", "").json() if one["array"] and one["array"]["id"] == known]
    assert _ask(server, "DELETE", f"/uploads/{upload['id']}").status_code == 204
    assert _ask(server, "GET", f"/{known}").status_code == 404
    assert pdemill.verify(job.results()["store"]["path"]).ok


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_gigabytes_arrive_though_the_upload_is_killed_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client and the server are killed on the way; memory stays that of a few parts."""
    monkeypatch.chdir(tmp_path)
    values = np.lib.format.open_memmap("two.npy", "w+", "<f4", (512, 1024, 1024))  # sparse
    values[7, 3, 5] = 1.0
    values.flush()

    class Killed(Exception):
        pass

    most, done = 0, Event()
    with Server(tmp_path / "data", workers=1, PDEMILL_MAX_ARRAY_BYTES="3e9") as server:

        def look() -> None:
            nonlocal most
            while not done.wait(0.2):
                most = max(most, _memory(server))

        before = _memory(server)
        watcher = Thread(target=look)
        watcher.start()
        sent: list[int] = []

        def watch(there: int, size: int) -> None:
            sent.append(there)
            if len(sent) in (300, 900):
                raise Killed

        try:
            with server.client() as client:
                for again in (False, True):
                    with pytest.raises(Killed):
                        client.upload("two.npy", watch)
                    if not again:
                        server.stop(signal.SIGKILL)
                        server.start()
                known = client.upload("two.npy", watch)
            assert _ask(server, "GET", f"/{known}").json()["high"] == 1.0
        finally:
            done.set()
            watcher.join()
        assert len(sent) == len(set(sent)) == 2148
    assert before > 10_000_000
    assert most - before < 300_000_000


def _memory(server: Server) -> int:
    """Bytes of memory of all its processes."""
    return sum(_anonymous(process) for processes in server.family().values() for process in processes)


def _anonymous(process: int) -> int:
    """Bytes of memory of a process that are no file's."""
    try:
        told = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in told.splitlines() if line.startswith("RssAnon")), 0)
