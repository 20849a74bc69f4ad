"""The one door to the compiler, and how what it compiled is kept for the next process.

Machine code holds the code of every function that it calls, so a kernel on disk is valid for one state of all sources
that it was made from: those of its module and of the modules that define the named tuples among its arguments (the
operations of a shape stand beside its tuple), each with all that it imports (``pdemill.solvers.sources``). They are
hashed by content, when a kernel is first called; beside that stand, as numba has it, the types, the processor's name
and its features. The place is NUMBA_CACHE_DIR, ``__pycache__`` beside the module, or the user's cache folder; where
none of them can be written to, every process compiles for itself. What is in ``__pycache__`` beside the module, where
``pdemill.solvers.kernels`` has put it when an image was built, is read in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any
from uuid import uuid4

from numba import njit, types
from numba.core import config, event
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.ccallback import CFunc
from numba.core.sigutils import normalize_signature

from pdemill.errors import SolverError
from pdemill.solvers.sources import digest

_COMPILING = "numba:compile"
_timer = event.TimingListener()
event.register(_COMPILING, _timer)


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """``njit`` whose result is kept on disk; not that of a function that is inlined, whose callers need more than
    machine code. With NUMBA_DISABLE_JIT, which breaks numba's own functions, it raises SolverError when it is called.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        if config.DISABLE_JIT:
            return _refused(function)
        dispatcher = njit(**options)(function)
        if not (options.get("inline") or options.get("forceinline")):
            _keep(dispatcher, function)
        return dispatcher

    return decorate


def c_function(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """``cfunc``: a function that can be called by its address, kept as ``compiled`` keeps its own."""

    def decorate(function: Callable[..., Any]) -> Any:
        if config.DISABLE_JIT:
            return _refused(function)
        made = _CFunction(function, normalize_signature(signature), {}, {"error_model": "numpy"})
        _keep(made, function)
        made.compile()
        return made

    return decorate


def compile_seconds() -> float:
    """How long numba has compiled in this process."""
    return float(_timer.duration) if _timer.done else 0.0


def _refused(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def refuse(*_arguments: Any, **_named: Any) -> None:
        raise SolverError("NUMBA_DISABLE_JIT is set, and the solvers run compiled only: unset it and start again")

    return refuse


def _keep(made: Any, function: Callable[..., Any]) -> None:
    try:
        made._cache = _Cache(function)
    except RuntimeError:  # no place for a cache
        return


class _CFunction(CFunc):
    """A ``cfunc`` whose compilation is announced as that of an ``njit`` function is."""

    def _compile_uncached(self: Any) -> Any:
        data = {"dispatcher": self, "args": self._sig.args, "return_type": self._sig.return_type}
        with event.trigger_event(_COMPILING, data=data):
            return super()._compile_uncached()  # type: ignore[misc]


class _File(IndexDataCacheFile):  # type: ignore[misc]
    """The index of what is kept; one that names types which are gone holds nothing that is still of use."""

    def _load_index(self) -> Any:
        try:
            return super()._load_index()
        except (ImportError, AttributeError):
            return {}

    def save(self, key: Any, data: Any) -> None:
        """Machine code first, under a name of its own, then its place in the index: numba does it the other way round
        and takes names of sources that are gone, so that an index could name code of other sources."""
        name = f"{self._index_name.removesuffix('.nbi')}.{uuid4().hex[:16]}.nbc"
        self._save_data(name, data)
        self._save_index({**self._load_index(), key: name})


class _Cache(FunctionCache):  # type: ignore[misc]
    """The machine code of a function on disk; none is kept where its sources cannot be told."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        name, beside = self._impl.filename_base, Path(function.__code__.co_filename).parent / "__pycache__"
        self._cache_file, self._shipped = _File(self._cache_path, name, None), _File(str(beside), name, None)

    def _load_overload(self, signature: Any, target: Any) -> Any:
        if not self._fresh(signature):
            return None
        if (found := super()._load_overload(signature, target)) is not None:
            return found
        data = self._shipped.load(self._index_key(signature, target.codegen()))
        return None if data is None else self._impl.rebuild(target, data)

    def _save_overload(self, signature: Any, result: Any) -> None:
        if self._fresh(signature):
            super()._save_overload(signature, result)

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        return (*super()._index_key(signature, codegen), digest(_modules(signature)))

    def _fresh(self, signature: Any) -> bool:
        """Whether the sources are known; where they are, what was kept of others is not looked at."""
        stamp = digest(frozenset([self._py_func.__module__]))
        self._cache_file._source_stamp = self._shipped._source_stamp = stamp
        return self._cache_file._source_stamp is not None and digest(_modules(signature)) is not None


def _modules(signature: Any) -> frozenset[str]:
    """Where the named tuples among the arguments are defined."""
    arguments, _ = normalize_signature(signature)
    return frozenset(name for kind in arguments for name in _homes(kind))


def _homes(kind: Any) -> Iterator[str]:
    if isinstance(kind, types.BaseNamedTuple):
        yield kind.instance_class.__module__
    if isinstance(kind, types.BaseTuple):
        for part in kind.types:
            yield from _homes(part)
