"""Connections to the broker, Redis or Valkey: over TLS where its address says so; and what to do where they fail."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pdemill.passwords import without_password
from pdemill.settings import Settings

SECONDS = 5
"""How long the broker may take to answer."""
TLS = "rediss"


def connect(settings: Settings) -> Any:
    """A client of the broker, which connects when it is first used. Every call ends within seconds, with an answer or
    redis.RedisError, also where the network swallows what is sent."""
    from redis import Redis  # late: the light library reads stores without it

    return Redis.from_url(
        settings.redis_url, decode_responses=True, socket_timeout=SECONDS, socket_connect_timeout=SECONDS,
        **_certificates(settings),
    )  # fmt: skip


def celery_address(settings: Settings) -> tuple[str, dict[str, Any] | None]:
    """The address as Celery spells it, and its options of TLS: left to itself, Celery checks no certificate."""
    parts = urlsplit(settings.redis_url)
    if parts.scheme != TLS:
        return settings.redis_url.replace("unix://", "redis+socket://", 1), None
    given = parse_qsl(parts.query)
    options = {name: value for name, value in given if name.startswith("ssl_")}
    rest = urlencode([(name, value) for name, value in given if name not in options])
    required = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    return urlunsplit(parts._replace(query=rest)), required | options | _certificates(settings)


def advice(error: Exception) -> str:
    """What to do about an error that no waiting mends; empty for all others."""
    texts = " ".join(_texts(error))
    return next((words for signs, words in _ADVICE if any(sign in texts for sign in signs)), "")


def explain(error: Exception, settings: Settings) -> str:
    """Why the broker does not answer, and what to do where that is known; without its password."""
    said = settings.hide(str(error))
    secure = urlsplit(settings.redis_url).scheme == TLS
    if words := advice(error):
        return f"{words} ({said})"
    hints = [hint for tls, signs, hint in _HINTS if tls == secure and any(sign in said for sign in signs)]
    return "; ".join([said.rstrip("."), *hints]) if hints else said


def refusal(error: Exception, settings: Settings) -> str:
    """What a program says that ends without the broker."""
    return f"PDEMILL_REDIS_URL: {without_password(settings.redis_url)} does not answer: {explain(error, settings)}"


def _certificates(settings: Settings) -> dict[str, str]:
    return {} if settings.redis_ca is None else {"ssl_ca_certs": str(settings.redis_ca)}


def _texts(error: BaseException | None) -> Iterator[str]:
    """What an error and those behind it say."""
    while error is not None:
        yield str(error)
        error = error.__cause__ or error.__context__


_ADVICE = (
    (("invalid username-password", "WRONGPASS", "invalid password"),
     "the broker refuses the password: put the right one into PDEMILL_REDIS_URL, with / # ? @ : % written as %XX"),
    (("NOAUTH", "Authentication required", "HELLO must be called with the client already authenticated"),
     "the broker wants a password: write it into PDEMILL_REDIS_URL, as rediss://:PASSWORD@HOST:PORT/0"),
    (("without any password configured",),
     "the broker has no password, but PDEMILL_REDIS_URL names one: give the broker one (requirepass), or take it out"),
    (("Hostname mismatch", "IP address mismatch"),
     "the broker's certificate is for another name: write a name that it is for into PDEMILL_REDIS_URL"),
    (("certificate has expired",), "the broker's certificate has expired: renew it"),
    (("CERTIFICATE_VERIFY_FAILED",),
     "the broker's certificate is signed by nobody who is trusted here: name the file with its CA in PDEMILL_REDIS_CA"),
)  # fmt: skip
_HINTS = (
    (True, ("Timeout connecting",),
     "is it away, or does it not speak TLS on this port? then write its TLS port, or redis:// in place of rediss://"),
    (False, ("Connection closed by server", "Connection reset by peer"),
     "does it want TLS? then write rediss:// in PDEMILL_REDIS_URL"),
)  # fmt: skip
"""What may be wrong, with TLS or without, where waiting may help as well."""
