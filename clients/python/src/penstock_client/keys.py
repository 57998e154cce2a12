"""Keys by the million: a file of lines that is read where it lies.

A list of a billion keys does not fit into memory, and every worker of a ``DataLoader`` would have its own: Python
writes into each text that it looks at, so that even forked processes do not share them. ``KeyFile`` maps the file and
keeps one number for every 64 lines.
"""

from __future__ import annotations

import mmap
import os
import re
import struct
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import overload

#: Lines between two that the index knows: 1 billion lines take 125 MB of it, and a look-up reads at most so many lines.
_STRIDE = 64
_BLOCK = re.compile(rb"(?:[^\n]*\n){%d}" % _STRIDE)
#: Magic, size of the file in bytes, its time of change in ns, lines.
_HEADER = struct.Struct("<8sqqq")
_MAGIC = b"PSKEYS01"


class KeyFile(Sequence[str]):
    """The lines of a file as a sequence of keys, without reading it into memory.

    The first use reads the file once and saves what it learnt beside it (``FILE.lines``, 1/100 of its size or less)
    where it may; the same file is opened at once from then on, by other processes too. Pickles as its path, so it costs
    nothing to send to workers. Lines are UTF-8 and end with ``\\n``; keys that hold a line feed cannot be in such a
    file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Reads nothing yet. Raises FileNotFoundError when there is no such file."""
        self._path = Path(path)
        self._stat = self._path.stat()
        self._map: mmap.mmap | bytes | None = None
        self._starts: Sequence[int] = ()
        self._lines = 0

    def __len__(self) -> int:
        self._open()
        return self._lines

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        """The key of a line, from 0."""
        data = self._open()
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(self._lines))]
        line = index + self._lines if index < 0 else index
        if not 0 <= line < self._lines:
            raise IndexError(f"line {index} of {self._lines}")
        at = self._starts[line // _STRIDE]
        for _ in range(line % _STRIDE):
            at = data.find(b"\n", at) + 1
        end = data.find(b"\n", at)
        return data[at : end if end >= 0 else len(data)].decode("utf-8")

    def __iter__(self) -> Iterator[str]:
        data = self._open()
        at = 0
        for _ in range(self._lines):
            end = data.find(b"\n", at)
            end = end if end >= 0 else len(data)
            yield data[at:end].decode("utf-8")
            at = end + 1

    def __reduce__(self) -> tuple[type[KeyFile], tuple[str]]:
        return KeyFile, (str(self._path),)

    def __repr__(self) -> str:
        return f"KeyFile({str(self._path)!r})"

    def _open(self) -> mmap.mmap | bytes:
        if self._map is None:
            with self._path.open("rb") as file:
                is_empty = self._stat.st_size == 0
                data = b"" if is_empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            if not self._read_index():
                self._make_index(data)
            self._map = data
        return self._map

    @property
    def _index_path(self) -> Path:
        return self._path.with_name(self._path.name + ".lines")

    def _read_index(self) -> bool:
        try:
            with self._index_path.open("rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            return False
        if len(data) < _HEADER.size:
            return False
        magic, size, mtime, lines = _HEADER.unpack_from(data)
        if (magic, size, mtime) != (_MAGIC, self._stat.st_size, self._stat.st_mtime_ns):
            return False
        starts = memoryview(data)[_HEADER.size :].cast("q")
        if len(starts) != -(-lines // _STRIDE):
            return False
        self._starts, self._lines = starts, lines
        return True

    def _make_index(self, data: mmap.mmap | bytes) -> None:
        starts, lines, end = array("q"), 0, 0
        for block in _BLOCK.finditer(data):
            starts.append(block.start())
            lines += _STRIDE
            end = block.end()
        if end < len(data):
            rest = data[end:]
            starts.append(end)
            lines += rest.count(b"\n") + (not rest.endswith(b"\n"))
        self._starts, self._lines = starts, lines
        with suppress(OSError):
            self._save_index(starts, lines)

    def _save_index(self, starts: array[int], lines: int) -> None:
        """Under another name first, so that nobody reads half of it."""
        with tempfile.NamedTemporaryFile(dir=self._path.parent, prefix=self._index_path.name, delete=False) as file:
            try:
                file.write(_HEADER.pack(_MAGIC, self._stat.st_size, self._stat.st_mtime_ns, lines))
                file.write(starts.tobytes())
                file.flush()
                Path(file.name).replace(self._index_path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
