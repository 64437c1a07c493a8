"""Thumbnails on disk, so that no picture is decoded twice.

Any number of processes may share a folder, and anybody may delete it or parts of it at any time.
"""

import logging
import os
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from pxt_flight.trace import describe

log = logging.getLogger(__name__)
_FORMAT = b"pxt-thumbnail 1\n"  # a new number where the same file would look otherwise; what is old is then evicted
_CHECKSUM = 4  # bytes of CRC-32 after it: a power cut may leave a file without its content
_TOUCHED = 3600.0  # seconds for which a use is not noted again
_SWEPT_TO = 0.9  # of the limit, so that not each write after it sweeps
_SWEEP_AFTER = 16  # a sweep after this part of the limit was written: what several processes exceed it by


class ThumbnailCache:
    """A folder of thumbnails; the least recently used go when it is full.

    Nothing here fails: where the disk is full or the folder is not writable, thumbnails are not kept.

    Args:
        folder: is made with mode 0700 when it is needed, its files with 0600.
        limit: bytes, which each process that writes may exceed by a sixteenth; 0 keeps nothing.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = str(folder)
        self._limit = limit
        self._unswept = limit  # the first write sweeps: others may have filled the folder
        self._sweeping = threading.Lock()
        self._told = False

    def get(self, key: tuple[object, ...]) -> bytes | None:
        """The thumbnail that was put under a key; empty where the file has nothing to show; None where it is not known."""
        if not self._limit:
            return None
        try:
            file = os.open(self._path(key), os.O_RDONLY)
        except OSError:
            return None
        try:
            status = os.fstat(file)
            found = os.read(file, status.st_size)
            if time.time() - status.st_mtime > _TOUCHED:
                os.utime(file)  # a file system may not note when a file was read
        except OSError:
            return None
        finally:
            os.close(file)
        thumbnail = found[len(_FORMAT) + _CHECKSUM :]
        return thumbnail if found[: -len(thumbnail) or None] == _header(thumbnail) else None

    def put(self, key: tuple[object, ...], thumbnail: bytes) -> None:
        """Keep a thumbnail.

        Args:
            key: what it was made from; any two that differ must have another `repr`.
            thumbnail: empty where the file has nothing to show.
        """
        if not self._limit:
            return
        content = _header(thumbnail) + thumbnail
        try:
            self._write(Path(self._path(key)), content)
        except OSError as fault:
            if not self._told:
                self._told = True
                log.warning("Thumbnails are not kept: %s", describe(fault))
            return
        self._unswept += len(content)
        if self._unswept > self._limit / _SWEEP_AFTER and self._sweeping.acquire(blocking=False):
            try:
                self._unswept = 0
                self._sweep()
            finally:
                self._sweeping.release()

    def _path(self, key: tuple[object, ...]) -> str:
        name = blake2b(_FORMAT + repr(key).encode(), digest_size=20).hexdigest()
        return f"{self._folder}/{name[:2]}/{name[2:]}"

    def _write(self, path: Path, content: bytes) -> None:
        temporary = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            file = _created(temporary)
        except FileNotFoundError:
            for folder in (path.parent.parent, path.parent):
                folder.mkdir(0o700, exist_ok=True)
            file = _created(temporary)
        try:
            with os.fdopen(file, "wb") as out:
                out.write(content)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def _sweep(self) -> None:
        """Delete the least recently used, down to below the limit; what a killed process left half-written is among them."""
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        if total <= self._limit:
            return
        for _, size, path in files:
            with suppress(OSError):
                Path(path).unlink()
            total -= size
            if total <= self._limit * _SWEPT_TO:
                return

    def _files(self) -> Iterator[tuple[float, int, str]]:
        """Time of last use, size and path of each file; another process may delete any of them meanwhile."""
        for shard in _scanned(self._folder):
            for entry in _scanned(shard.path):
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    yield status.st_mtime, status.st_size, entry.path


def _header(thumbnail: bytes) -> bytes:
    return _FORMAT + zlib.crc32(thumbnail).to_bytes(_CHECKSUM, "big")


def _created(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def _scanned(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
