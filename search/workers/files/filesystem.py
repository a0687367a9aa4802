"""Where files go that every node reaches: a shared folder, or a URL that PyArrow or fsspec opens (s3, gs, abfs, hdfs, sftp ...).

Through PyArrow, as Ray does, so that the usual ones need no further package; fsspec opens the rest. What is stored is written
under a name of its own and never changed, so nobody can see half of it who has been told the name.
"""

from __future__ import annotations

import io
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import unquote

from pitprop.addresses import safe
from pitprop.errors import UserError
from pitprop.messages import _

PIECE = 2**23
"""Bytes that are copied at a time."""
BUCKETS = ("s3", "gcs", "abfs")
"""What has no folders, by PyArrow's names."""


WAITS = (0.5, 2.0, 8.0)
"""Seconds between two tries to read."""
T = TypeVar("T")


class StorageError(UserError):
    """What is stored cannot be written, read or opened: one sentence."""


def under(url: str, name: str) -> str:
    """The address of what is called ``name`` at ``url``, whose query stays what it was."""
    place, mark, query = url.partition("?") if "://" in url else (url, "", "")
    return f"{place.rstrip('/')}/{name}{mark}{query}"


def check(url: str) -> None:
    """`StorageError` if the storage at ``url`` cannot be opened, as far as that shows before anything is written."""
    _opened(url)


def put(file: IO[bytes], url: str) -> None:
    """Stores what is left of ``file``. `StorageError`."""
    system, path = _opened(url)
    with _told("written", url):
        if system.type_name not in BUCKETS:
            system.create_dir(path.rpartition("/")[0], recursive=True)
        with system.open_output_stream(path) as out:
            shutil.copyfileobj(file, out, PIECE)


@contextmanager
def opened(url: str) -> Iterator[IO[bytes]]:
    """What is stored at ``url``, to be read from its beginning. `StorageError`, also if there is nothing."""
    system, path = _opened(url)
    with _told("read", url):
        stream = io.BufferedReader(system.open_input_stream(path), PIECE)
    with stream:
        try:
            yield stream
        except OSError as error:
            raise _refused("read", url, error) from error


def again(read: Callable[[], T]) -> T:
    """What is ``read``, which is tried again as long as the error may pass: not where there is nothing, or nothing for us."""
    for wait in WAITS:
        try:
            return read()
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError | PermissionError | ImportError | ValueError):
                raise
            time.sleep(wait)
    return read()


def fetch(url: str, path: Path) -> None:
    """Makes what is stored the file at ``path``. `StorageError`."""
    draft = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)

    def copy() -> None:
        with opened(url) as stream, draft.open("wb") as file:
            shutil.copyfileobj(stream, file, PIECE)

    again(copy)
    draft.replace(path)


def remove(url: str) -> None:
    """Removes what is stored; nothing if it is gone. `StorageError`."""
    system, path = _opened(url)
    with _told("removed", url):
        try:
            system.delete_file(path)
        except FileNotFoundError:
            return


def names(url: str) -> list[str]:
    """What is stored under ``url``, by the names that `under` takes. `StorageError`."""
    system, path = _opened(url)
    from pyarrow import fs

    def listed() -> Any:
        with _told("read", url):
            return system.get_file_info(fs.FileSelector(path, allow_not_found=True, recursive=True))

    found = again(listed)
    return sorted(one.path.removeprefix(f"{path}/") for one in found if one.type == fs.FileType.File)


@contextmanager
def _told(what: str, url: str) -> Iterator[None]:
    """What a file system raises as one sentence; ``what`` could not be done."""
    try:
        yield
    except StorageError:
        raise
    except Exception as error:  # those of fsspec have exceptions of their libraries' own
        raise _refused(what, url, error) from error


def _refused(what: str, url: str, error: BaseException) -> StorageError:
    text = {
        "opened": _("the storage {url} cannot be opened: {why}"),
        "written": _("the storage {url} cannot be written: {why}"),
        "read": _("the storage {url} cannot be read: {why}"),
        "removed": _("files in the storage {url} cannot be removed: {why}"),
    }[what]
    return StorageError(text.format(url=safe(url), why=" ".join(str(error).split())[:300] or type(error).__name__))


def _opened(url: str) -> tuple[Any, str]:
    """The file system of a URL, or of a path, and what it calls the place. `StorageError`."""
    if "://" not in url:
        return _system(""), str(Path(url).expanduser().absolute())
    root = re.sub(r"(://[^/?]*)[^?]*", r"\1", url, count=1)  # one for all that is in a bucket, or on a host
    system = _system(root)
    scheme, _sep, rest = url.partition("?")[0].partition("://")
    if system.type_name in BUCKETS:
        return system, _bucket(scheme, rest)
    if system.type_name.startswith("py::fsspec"):
        return system, str(system.handler.fs._strip_protocol(url))
    return system, unquote("/" + rest.partition("/")[2])


def _bucket(scheme: str, rest: str) -> str:
    """The path in an object store: its bucket first, without the keys or the host that a URL may name before or after it."""
    host, _sep, path = rest.partition("/")
    container, at, _account = host.rpartition("@")
    return f"{container if at and scheme.startswith('abfs') else host.rpartition('@')[2]}/{path}"


@cache
def _system(root: str) -> Any:
    """The file system at the root of a URL; of this machine for none."""
    try:
        import pyarrow
        from pyarrow import fs
    except ImportError as error:  # Ray alone does not bring it
        text = _("a storage takes PyArrow, which is not installed here: pip install pyarrow on every node, or pip: in the space")
        raise StorageError(text) from error
    if not root:
        return fs.LocalFileSystem()
    try:
        return fs.FileSystem.from_uri(root)[0]
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
        pass  # which fsspec may know
    except OSError as error:
        raise _refused("opened", root, error) from error
    import fsspec

    try:
        return fs.PyFileSystem(fs.FSSpecHandler(fsspec.core.url_to_fs(root)[0]))
    except Exception as error:  # an unknown scheme, a library that is not installed, a host that does not answer
        raise _refused("opened", root, error) from error
