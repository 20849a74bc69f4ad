"""The picture of one sample of a spec that was not submitted: small, in a process of its own, within limits."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections import OrderedDict
from copy import deepcopy
from typing import Any
from zlib import compress, decompressobj
from zlib import error as ZlibError  # noqa: N812

from pdemill.process import child_environment, module_command
from pdemill.service.pages.pictures import Theme
from pdemill.service.problems import Refusal
from pdemill.spec.array_file import with_one_row
from pdemill.spec.job import Spec
from pdemill.spec.load import validate

SECONDS = 20.0
REMEMBERED = 100
LONGEST = 6000
"""Characters of a spec in an address."""


def pack(spec: Spec) -> str | None:
    """A spec as a part of an address; None where it is too long for one."""
    text = urlsafe_b64encode(compress(spec.written().encode(), 9)).decode()
    return text if len(text) <= LONGEST else None


def unpack(text: str) -> Spec:
    """The spec in an address. Raises SpecError or Refusal."""
    unpacker = decompressobj()
    try:
        data = unpacker.decompress(urlsafe_b64decode(text[:LONGEST]), 1_000_000)
        return validate(json.loads(data))
    except (Error, ZlibError, ValueError, RecursionError):
        raise Refusal(422, "the address holds no spec") from None


def small(spec: Spec) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The first sample of a spec, on a grid or mesh, or at points, as coarse as a picture needs; and the arrays that it
    names, as NPY files by id."""
    first, named = next(iter(spec.splits)), dict[str, bytes]()
    spec = spec.alone.of_split(first)
    data: dict[str, Any] = deepcopy(json.loads(spec.written()))
    spec.problem.discretisation.preview(spec.problem, data)
    data["problem"] = with_one_row(data["problem"], first, named)
    return {**data, "splits": {first: 1}, "certify": {"refine": 0}, "store": {}}, named


class Previewer:
    """Runs previews, and remembers the last ones. Only one thread asks for them."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, bytes] = OrderedDict()

    def picture(self, spec: Spec, theme: Theme) -> bytes:
        """The PNG. Raises Refusal with the reason why there is none."""
        shown, named = small(spec)
        files = [b64encode(data).decode() for data in named.values()]
        task = json.dumps({"spec": shown, "arrays": files, "theme": theme, "seconds": SECONDS})
        if task not in self._known:
            self._known[task] = _solved(task)
        self._known.move_to_end(task)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return self._known[task]


def _solved(task: str) -> bytes:
    """The PNG of a task, made in another process."""
    try:
        ended = subprocess.run(
            module_command("pdemill.service.pages.preview_worker"), input=task.encode(), capture_output=True,
            timeout=SECONDS, env=child_environment(), check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Refusal(422, f"the preview took more than {SECONDS:.0f} s") from None
    if ended.returncode == 0:
        return ended.stdout
    reason = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2] if ended.returncode == 3 else ""
    raise Refusal(422, reason or "the preview took too much memory or time")
