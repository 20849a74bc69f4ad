"""Requests to a pdemill server, sent again while it is away."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import httpx

from pdemill.addresses import shown
from pdemill.errors import Fault, ServerError, SpecError

PATIENCE, FIRST_PATIENCE = 120.0, 5.0
"""Seconds for which a server that does not answer is asked again: one that has answered before, and one that never
has."""
TRANSIENT = (429, 502, 503, 504)


class Connection:
    """Connections to the server at ``url``, with the bearer key ``api_key`` where there is one.

    What has moved is read from where it is now; no other host gets the key. Raises ServerError for what is no address.
    """

    def __init__(self, url: str, api_key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._answered, self._url = False, shown(url)
        try:
            base = httpx.URL(url.rstrip("/"))
        except httpx.InvalidURL as error:
            raise ServerError(f"{self._url} is no address of a server: {error}") from None
        if base.scheme not in ("http", "https") or not base.host:
            raise ServerError(f"{self._url} is no address of a server, such as http://127.0.0.1:8000")
        self._http = httpx.Client(base_url=base, headers=headers, timeout=30.0)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, method: str, path: str, **details: Any) -> httpx.Response:
        """Ask until there is an answer that is final. Raises SpecError, ServerError."""
        begin = time.monotonic()
        pause = 0.2
        while True:
            answer = self._once(method, path, details)
            if isinstance(answer, httpx.Response):
                return answer
            patience = PATIENCE if self._answered else FIRST_PATIENCE
            if not answer.transient or time.monotonic() + pause > begin + patience:
                raise answer.error
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def _once(self, method: str, path: str, details: dict[str, Any]) -> httpx.Response | _Failure:
        try:
            answer = self._http.request(method, path, follow_redirects=method == "GET", **details)
        except httpx.TooManyRedirects:
            return _Failure(ServerError(f"{self._url} leads in a circle: its answers name other places only"), False)
        except httpx.InvalidURL as error:
            return _Failure(ServerError(f"{self._url} leads to no address: {error}"), False)
        except httpx.HTTPError as error:
            message = f"no answer from {self._url}: {error}; is 'pdemill serve' running?"
            wrong = isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError)
            return _Failure(ServerError(message), isinstance(error, httpx.TransportError) and not wrong)
        self._answered = True
        return answer if answer.is_success else _Failure(_error(answer), answer.status_code in TRANSIENT)


@dataclass(frozen=True)
class _Failure:
    """An answer that is none, and whether asking again may help."""

    error: SpecError | ServerError
    transient: bool


def _error(answer: httpx.Response) -> SpecError | ServerError:
    """The error that a problem stands for."""
    if answer.has_redirect_location:
        moved = shown(answer.headers["Location"])
        return ServerError(f"{shown(str(answer.url))} has moved to {moved}; use that address", answer.status_code)
    try:
        problem = answer.json()
        detail, errors = problem["detail"], problem.get("errors", [])
    except (ValueError, KeyError, TypeError):
        text = f"{shown(str(answer.url))} answered {answer.status_code} without saying why; is it a pdemill server?"
        return ServerError(text, answer.status_code)
    faults = [Fault(_path(e["pointer"]), e["detail"]) for e in errors if "pointer" in e]
    named = [f"{e.get('parameter') or e.get('header')}: {e['detail']}" for e in errors if "pointer" not in e]
    return SpecError(faults) if faults else ServerError("; ".join(named) or detail, answer.status_code)


def _path(pointer: str) -> tuple[str | int, ...]:
    """The path that a JSON pointer stands for."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    return tuple(int(part) if part.isdecimal() else part for part in parts)
