"""``penstock://BUCKET/KEY`` for everything that speaks fsspec.

Promises: many objects are read and written in one call; nothing is asked before a read; listings are made only when
they are asked for, and are not kept. Trouble is an ``OSError``, with the ``PenstockError`` as its cause.

Paths are those of fsspec: a slash at their end is dropped, so keys that end with one, and those with empty parts, are
for ``Client``. Buckets are neither listed nor made here.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fsspec.spec import AbstractFileSystem

from ._fsspec_file import ReadFile, WriteFile, os_error_of, os_errors
from .client import Client
from .errors import FailedPreconditionError, OutOfRangeError
from .types import ObjectInfo, ObjectRef, PutItem, SlotError


class PenstockFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Objects as files. The arguments are those of ``Client``, without ``bucket``."""

    protocol = "penstock"
    root_marker = ""

    def __init__(
        self,
        target: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        *,
        secure: bool | None = None,
        ca_certificate: str | None = None,
        channels: int = 1,
        timeout: float = 60.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.client = Client(
            target,
            access_key,
            secret_key,
            secure=secure,
            ca_certificate=ca_certificate,
            channels=channels,
            timeout=timeout,
        )

    # --- reading ---

    def cat(self, path: Any, recursive: bool = False, on_error: str = "raise", **kwargs: Any) -> Any:
        """The bytes of one file; of many, a dict by path, read in one call."""
        given = [path] if isinstance(path, str) else list(path)
        paths = [file for one in given for file in self.find(one)] if recursive else self.expand_path(given)
        if isinstance(path, str) and paths == [self._strip_protocol(path)]:
            return self.cat_file(paths[0], **kwargs)
        found = self._read(paths, [None] * len(paths), [None] * len(paths))
        return dict(_judged(paths, found, on_error))

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        """The bytes of one file, from ``start`` up to ``end``; negative ones count from its end."""
        found = self._read([self._strip_protocol(path)], [start], [end])[0]
        if isinstance(found, BaseException):
            raise found
        return found

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[Any]:
        """Ranges of files, read in one call."""
        starts = list(starts) if isinstance(starts, Sequence) else [starts] * len(paths)
        ends = list(ends) if isinstance(ends, Sequence) else [ends] * len(paths)
        if not len(paths) == len(starts) == len(ends):
            raise ValueError(f"there are {len(starts)} starts and {len(ends)} ends for {len(paths)} paths")
        stripped = [self._strip_protocol(path) for path in paths]
        return [value for _, value in _judged(stripped, self._read(stripped, starts, ends), on_error)]

    def get_file(self, rpath: str, lpath: Any, callback: Any = None, outfile: Any = None, **kwargs: Any) -> None:
        """Copies one file here; a copy that fails is not left behind."""
        bucket, key = self._split(rpath)
        sink = outfile if outfile is not None else (lpath if hasattr(lpath, "write") else None)
        if sink is not None:
            self._stream_into(rpath, bucket, key, sink)
            return
        target = Path(lpath)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
            try:
                self._stream_into(rpath, bucket, key, file)
                file.flush()
                Path(file.name).replace(target)
            except BaseException as error:
                Path(file.name).unlink(missing_ok=True)
                if not isinstance(error, FileNotFoundError) or not self.isdir(rpath):
                    raise
                target.mkdir(exist_ok=True)

    def _stream_into(self, path: str, bucket: str, key: str, sink: Any) -> None:
        if not key:
            raise FileNotFoundError(path)
        with os_errors(path):
            for chunk in self.client.stream(key, bucket=bucket):
                sink.write(chunk)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        bucket, key = self._split(path)
        options.pop("cache_instances", None)
        if mode == "rb":
            return ReadFile(self, path, self.client, bucket, key, **options)
        if mode in ("wb", "xb"):
            return WriteFile(self, path, mode, self.client, bucket, key, **options)
        raise NotImplementedError(f"mode {mode!r}: objects are read or written, not changed")

    # --- what there is ---

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """What is known of a file or folder. Raises FileNotFoundError."""
        path = self._strip_protocol(path)
        bucket, key = self._split(path)
        if not bucket:
            return _folder("")
        with os_errors(path):
            found = self.client.stat(key, bucket=bucket) if key else None
            if found is not None:
                return _file(found)
            inside = self.client.list(f"{key}/" if key else "", bucket=bucket, page_size=1)
            if next(inside, None) is not None or not key:
                return _folder(path)
        raise FileNotFoundError(path)

    def exists(self, path: str, **kwargs: Any) -> bool:
        """Whether there is a file or folder; a gateway that does not answer raises."""
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        """Files and folders right below a folder; a file is a list of itself. Raises FileNotFoundError."""
        path = self._strip_protocol(path)
        bucket, key = self._split(path)
        if not bucket:
            raise NotImplementedError("buckets cannot be listed here; name one: penstock://BUCKET")
        found: list[dict[str, Any]] = []
        with os_errors(path):
            for item in self.client.list(f"{key}/" if key else "", delimiter="/", bucket=bucket):
                if not isinstance(item, ObjectInfo):
                    found.append(_folder(f"{bucket}/{item.prefix[:-1]}"))
                elif item.size or item.key != f"{key}/":  # an empty object of the folder's own name only marks it
                    found.append(_file(item))
        if not found and key:
            found = [self.info(path)]
        return found if detail else [entry["name"] for entry in found]

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **kwargs: Any
    ) -> Any:
        """All files below a folder, in one listing where no folders are asked for."""
        if maxdepth is not None or withdirs:
            return super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **kwargs)
        path = self._strip_protocol(path)
        bucket, key = self._split(path)
        if not bucket:
            raise NotImplementedError("buckets cannot be listed here; name one: penstock://BUCKET")
        with os_errors(path):
            below = self.client.list(f"{key}/" if key else "", bucket=bucket)
            objects = (item for item in below if isinstance(item, ObjectInfo) and not item.key.endswith("/"))
            files = {file["name"]: file for file in map(_file, objects)}
            if not files and key and (one := self.client.stat(key, bucket=bucket)) is not None:
                files = {path: _file(one)}
        return files if detail else list(files)

    def ukey(self, path: str) -> str:
        """Changes whenever the file does."""
        return str(self.info(path).get("ETag", ""))

    def modified(self, path: str) -> Any:
        """When it was written, in UTC."""
        return self.info(path)["LastModified"]

    # --- writing ---

    def pipe(self, path: Any, value: Any = None, **kwargs: Any) -> None:
        """Writes one file, or a dict of them in one call."""
        if isinstance(path, str):
            self.pipe_file(path, value, **kwargs)
            return
        items = [PutItem(self._split(name)[1], data, bucket=self._split(name)[0]) for name, data in path.items()]
        if not items:
            return
        for index, result in self.client.iter_put(items, bucket=items[0].bucket):
            if isinstance(result, SlotError):
                raise os_error_of(result.error, list(path)[index])

    def pipe_file(self, path: str, value: Any, mode: str = "overwrite", **kwargs: Any) -> None:
        """Writes one file; with ``mode="create"`` only where there is none."""
        bucket, key = self._split(path)
        with os_errors(path):
            try:
                self.client.put(key, value, bucket=bucket, if_absent=mode == "create", **kwargs)
            except FailedPreconditionError as error:
                raise FileExistsError(path) from error

    def cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        """Copies within the gateway, by way of this process."""
        bucket, key = self._split(path2)
        with os_errors(path1), tempfile.TemporaryFile() as held:
            source_bucket, source_key = self._split(path1)
            info = self.client.stat(source_key, bucket=source_bucket)
            if info is None:
                raise FileNotFoundError(path1)
            for chunk in self.client.stream(source_key, bucket=source_bucket):
                held.write(chunk)
            held.seek(0)
            self.client.put(
                key,
                held,
                bucket=bucket,
                content_type=info.content_type,
                metadata=info.metadata,
                timeout=math.inf,
            )

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Removes files, a thousand in a call; that one is not there is no error."""
        given = [path] if isinstance(path, str) else list(path)
        paths = [self._strip_protocol(one) for one in given]
        if recursive or maxdepth is not None:
            paths = [file for one in paths for file in [*self.find(one, maxdepth=maxdepth), one]]
        else:
            paths = self.expand_path(paths)
        by_bucket: dict[str, dict[str, None]] = {}
        for one in paths:
            bucket, key = self._split(one)
            if key:
                by_bucket.setdefault(bucket, {})[key] = None
        for bucket, keys in by_bucket.items():
            with os_errors(bucket):
                for failed in self.client.delete_many(list(keys), bucket=bucket):
                    raise failed.error

    def rm_file(self, path: str) -> None:
        """Removes one file."""
        self.rm([path])

    _rm = rm_file

    # --- inside ---

    def _split(self, path: str) -> tuple[str, str]:
        bucket, _, key = self._strip_protocol(path).partition("/")
        return bucket, key

    def _read(self, paths: list[str], starts: list[Any], ends: list[Any]) -> list[bytes | OSError]:
        found: list[bytes | OSError] = [b""] * len(paths)
        wanted: dict[int, ObjectRef] = {}
        for place, (path, start, end) in enumerate(zip(paths, starts, ends, strict=True)):
            bucket, key = self._split(path)
            try:
                first, last = self._bounds(path, start, end)
            except OSError as error:
                found[place] = error
                continue
            if last is None or last > first:
                wanted[place] = ObjectRef(key, first, last, bucket)
        if not wanted:
            return found
        refs = list(wanted.values())
        with os_errors(paths[0]):
            results = self.client.get_many(refs, bucket=refs[0].bucket, on_error="return")
        for place, result in zip(wanted, results, strict=True):
            if isinstance(result, bytes):
                found[place] = result
            elif not isinstance(
                result.error, OutOfRangeError
            ):  # behind the end of a file there is nothing, as in files
                found[place] = os_error_of(result.error, paths[place])
        return found

    def _bounds(self, path: str, start: int | None, end: int | None) -> tuple[int, int | None]:
        first, last = start or 0, end
        if first < 0 or (last is not None and last < 0):
            size = self.info(path)["size"]
            first = max(0, first + size) if first < 0 else first
            last = size + last if last is not None and last < 0 else last
        return first, last


def _file(info: ObjectInfo) -> dict[str, Any]:
    return {
        "name": f"{info.bucket}/{info.key}",
        "size": info.size,
        "type": "file",
        "ETag": info.etag,
        "LastModified": info.modified,
        "ContentType": info.content_type,
        "metadata": dict(info.metadata),
    }


def _folder(name: str) -> dict[str, Any]:
    return {"name": name, "size": 0, "type": "directory"}


def _judged(paths: list[str], found: list[bytes | OSError], on_error: str) -> Iterator[tuple[str, bytes | OSError]]:
    for path, value in zip(paths, found, strict=True):
        if isinstance(value, BaseException):
            if on_error == "raise":
                raise value
            if on_error == "omit":
                continue
        yield path, value
