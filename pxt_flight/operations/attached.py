"""Files that come beside rows in JSON, and are named in them: `{"image": {"$file": "poster"}}`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pxt_flight.engine import fetcher
from pxt_flight.engine.casting.json_cells import FILE, PART
from pxt_flight.errors import PxtFlightError, error


def _no_file(name: str) -> bytes:
    raise KeyError(name)


@dataclass(frozen=True)
class Attached:
    """The files of one request; none by default.

    Attributes:
        sizes: their bytes, by name.
        read: the bytes of one.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    read: Callable[[str], bytes] = _no_file

    def fetch(self, urls: Sequence[str]) -> list[bytes | PxtFlightError]:
        """The bodies of these files, and those behind https URLs; see `fetcher.fetch`."""
        others = [url for url in urls if not url.startswith(PART)]
        fetched = iter(fetcher.fetch(others))
        return [self._file(url.removeprefix(PART)) if url.startswith(PART) else next(fetched) for url in urls]

    def check(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """See that each file is named by a row, and each name is that of a file.

        Raises:
            InvalidRequestError: `INVALID_ARGUMENT`.
        """
        named = {name for row in rows for name in named_files(row)}
        if strange := sorted(named - self.sizes.keys()):
            raise error("INVALID_ARGUMENT", f"The rows name file {strange[0]}, and there is no such part.", where={"part": strange[0]})
        if unused := sorted(self.sizes.keys() - named):
            hint = f'Name it in a row: {{"{FILE}": "{unused[0]}"}}.'
            raise error("INVALID_ARGUMENT", f"No row names the part {unused[0]}.", hint=hint, where={"part": unused[0]})

    def size_of(self, row: Mapping[str, Any]) -> int:
        """The bytes of the files that a row names."""
        return sum(self.sizes.get(name, 0) for name in named_files(row))

    def _file(self, name: str) -> bytes | PxtFlightError:
        if name in self.sizes:
            return self.read(name)
        return error("INVALID_ARGUMENT", "names a file that did not come beside the rows")


def named_files(row: Mapping[str, Any]) -> Iterator[str]:
    """The names of files in a row."""
    for value in row.values():
        if isinstance(value, dict) and value.keys() == {FILE} and isinstance(value[FILE], str):
            yield value[FILE]
