"""Where the bytes of an export go: a file of a folder, or an object of S3, there as a whole or not at all."""

import errno
import os
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from pxt_flight.errors import PxtFlightError, error

# An object has at most 10,000 parts, each but the last of 5 MiB or more; these make 155 GiB, and larger ones from there on.
_PART = 16 << 20
_PARTS_OF_A_SIZE = 5000
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_ACCOUNT = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "403")


class Sink(Protocol):
    """Takes bytes; nobody sees them before `finish`."""

    size: int

    def write(self, data: Any) -> int:
        """Take the next bytes."""

    def finish(self) -> None:
        """Show them."""

    def abort(self) -> None:
        """Leave nothing behind."""


class FileSink:
    """A file.

    Args:
        target: where it will be.
        is_replacing: whether a file that is there makes room.

    Raises:
        PxtFlightError: `PATH_ALREADY_EXISTS`, `INVALID_CONFIGURATION` or `disk_full`, here and of every method; no text names the folder.
    """

    def __init__(self, target: Path, *, is_replacing: bool) -> None:
        self.size = 0
        self._target, self._is_replacing = target, is_replacing
        if not is_replacing and target.exists():
            raise _exists()
        with _told():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._hidden = target.with_name(f".{uuid.uuid4().hex}.partial")
            self._file = self._hidden.open("xb")

    def write(self, data: Any) -> int:
        """Take the next bytes."""
        with _told():
            written = self._file.write(data)
        self.size += written
        return written

    def finish(self) -> None:
        """Show the file under its name."""
        with _told():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            if self._is_replacing:
                self._hidden.replace(self._target)
                return
            try:
                self._target.hardlink_to(self._hidden)  # unlike a rename, it takes nobody's place
            except FileExistsError:
                raise _exists() from None
            self._hidden.unlink()

    def abort(self) -> None:
        """Delete it."""
        with suppress(OSError):
            self._file.close()
        self._hidden.unlink(missing_ok=True)


class ObjectSink:
    """An object of S3, in parts: until they are put together there is none, and an upload that is aborted leaves none.

    Args:
        client: of the AWS SDK.
        bucket: the bucket.
        key: the object.
        is_replacing: whether an object that is there makes room.

    Raises:
        PxtFlightError: `PATH_ALREADY_EXISTS`, `MISSING_CREDENTIALS`, `STORAGE_NOT_FOUND` or `STORE_UNAVAILABLE`, here and of every method.
    """

    def __init__(self, client: Any, bucket: str, key: str, *, is_replacing: bool) -> None:
        self.size = 0
        self._client, self._is_replacing = client, is_replacing
        self._place = {"Bucket": bucket, "Key": key}
        self._parts: list[dict[str, Any]] = []
        self._buffer = bytearray()
        with _answered():
            if not is_replacing and self._is_there():
                raise _exists()
            self._upload = self._place | {"UploadId": client.create_multipart_upload(**self._place)["UploadId"]}

    def write(self, data: Any) -> int:
        """Take the next bytes."""
        self._buffer += data
        self.size += len(data)
        while len(self._buffer) >= (size := _PART * (1 + len(self._parts) // _PARTS_OF_A_SIZE)):
            self._send(bytes(self._buffer[:size]))
            del self._buffer[:size]
        return len(data)

    def finish(self) -> None:
        """Put the parts together."""
        self._send(bytes(self._buffer))
        condition = {} if self._is_replacing else {"IfNoneMatch": "*"}
        with _answered():
            self._client.complete_multipart_upload(**self._upload, MultipartUpload={"Parts": self._parts}, **condition)

    def abort(self) -> None:
        """Give the parts up."""
        with suppress(PxtFlightError), _answered():
            self._client.abort_multipart_upload(**self._upload)

    def _send(self, part: bytes) -> None:
        number = len(self._parts) + 1
        with _answered():
            sent = self._client.upload_part(**self._upload, PartNumber=number, Body=part)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    def _is_there(self) -> bool:
        found = self._client.list_objects_v2(Bucket=self._place["Bucket"], Prefix=self._place["Key"], MaxKeys=1)
        return any(one["Key"] == self._place["Key"] for one in found.get("Contents", ()))  # the shortest of a prefix comes first


def open_s3(endpoint: str | None) -> Any:
    """A client of S3, with the account that the SDK finds in the server's environment.

    Args:
        endpoint: the URL of another service that speaks S3; None for AWS.
    """
    import boto3  # 0.4 s, for those only who export to it
    from botocore.config import Config

    waiting = Config(connect_timeout=10, read_timeout=60, retries={"max_attempts": 3, "mode": "standard"})
    with _answered():
        session = boto3.session.Session()  # not the one that all share, which may be another's
        region = session.region_name or "us-east-1"
        return session.client("s3", endpoint_url=endpoint, region_name=region, config=waiting)


@contextmanager
def filled(make: Callable[[], Sink]) -> Generator[Sink, None, None]:
    """A sink for the block, which is finished after it, and aborted where that fails."""
    sink = make()
    try:
        yield sink
        sink.finish()
    except BaseException:
        sink.abort()
        raise


@contextmanager
def _told() -> Generator[None, None, None]:
    try:
        yield
    except OSError as fault:
        if fault.errno in _FULL:
            raise error("disk_full", "The folder for exports has no space left.", hint="Nothing was exported.") from None
        raise error("INVALID_CONFIGURATION", "The folder for exports cannot be written.", hint="Tell who runs the server.") from None


@contextmanager
def _answered() -> Generator[None, None, None]:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    try:
        yield
    except (NoCredentialsError, PartialCredentialsError):
        raise _no_account() from None
    except BotoCoreError:
        raise error("STORE_UNAVAILABLE", "S3 does not answer.", hint="Nothing was exported; try again.") from None
    except ClientError as fault:
        code = str(fault.response.get("Error", {}).get("Code"))
        if code in _NO_ACCOUNT:
            raise _no_account() from None
        if code in ("NoSuchBucket", "404"):
            raise error("STORAGE_NOT_FOUND", "There is no such bucket.", hint="Tell who runs the server.") from None
        if code in ("PreconditionFailed", "ConditionalRequestConflict"):
            raise _exists() from None
        raise error("STORE_UNAVAILABLE", "S3 refuses the export.", hint="Nothing was exported; try again.") from None


def _no_account() -> PxtFlightError:
    hint = "Nothing was exported. Tell who runs the server: the AWS SDK's variables name an account."
    return error("MISSING_CREDENTIALS", "The server has no account that may write there.", hint=hint)


def _exists() -> PxtFlightError:
    return error("PATH_ALREADY_EXISTS", "There is something of this name.", hint="Choose another, or say overwrite=true.")
