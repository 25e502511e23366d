"""The cache of compiled kernels that Numba asks before it compiles.

It takes the place of Numba's own, whose two files for a kernel (an index, and the code) are believed as they are: a
file that was truncated or damaged ends every later process with an exception. Here an entry is one file with a
checksum (``tinyseg_kernels/cache.py``), which is verified before anything is unpickled.

Numba calls the methods ``load_overload`` and ``save_overload`` of a dispatcher's attribute ``_cache``. It has done so
from 0.61 (and before) to 0.68, and has no public way to replace it.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from ... import cache


@functools.cache
def _digest_of(source: str) -> str:
    return hashlib.sha256(Path(source).read_bytes()).hexdigest()


class KernelCache:
    """The compiled variants of one kernel, each a file in ``folder``.

    A file's name has the kernel's name and a digest of all that the code depends on: its names, the argument types,
    the CPU with its features, the byte code, and the file it stands in. The entry has the same, which is compared.
    """

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        self.function, self.folder = function, folder

    @property
    def cache_path(self) -> str:
        """The folder."""
        return str(self.folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kernel compiled for these types, or None."""
        target_context.refresh()  # without it, the code may refer to functions that are not there yet
        key, path = self._entry(sig, target_context.codegen())
        content = cache.read(path)
        if content is None:
            return None
        stored, compiled = pickle.loads(content)
        return CompileResult._rebuild(target_context, *compiled) if stored == key else None

    def save_overload(self, sig: Any, compiled: Any) -> None:
        """Store what was just compiled, unless it has addresses of this process in it, or cannot be written."""
        if compiled.library.has_dynamic_globals:
            return
        key, path = self._entry(sig, compiled.codegen)
        cache.write(path, dumps((key, compiled._reduce())))

    def _entry(self, sig: Any, codegen: Any) -> tuple[Any, Path]:
        """What the code depends on, and the file of it."""
        function, source = self.function, inspect.getfile(self.function)
        code = hashlib.sha256(function.__code__.co_code).hexdigest()
        where = (source, _digest_of(source), function.__code__.co_firstlineno)
        key = (function.__module__, function.__qualname__, sig, codegen.magic_tuple(), code, where)
        digest = hashlib.sha256(str(key).encode(errors="surrogatepass")).hexdigest()[:16]
        name = f"{Path(source).stem}.{function.__qualname__}-{digest}.nbc"
        return key, self.folder / name.replace("<", "").replace(">", "")
