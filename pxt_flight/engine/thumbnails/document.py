"""The picture of a document: the first page of a PDF. Other documents (HTML, Markdown, text, office files) have none.

Drawing is stopped when its time is over, reading is not: PDFium takes in all operators of a page before it can be asked to pause. Ten
megabytes of them, 20 KB as they are compressed, take seconds and 200 MiB.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pypdfium2
from PIL import Image
from pypdfium2 import raw

from pxt_flight.engine.thumbnails.bounds import MAX_SECONDS, RefusedError

_START, _WITHIN = b"%PDF-", 1024  # ISO 32000-1, annex H: readers accept the header anywhere in the first 1024 bytes
_WHITE = 0xFFFFFFFF
_pdfium = threading.Lock()  # PDFium may be used by one thread at a time


def picture(path: Path, size: int) -> Image.Image | None:
    """The first page of a PDF, at most `size` pixels on its long side; None for another document, or one that asks for a password.

    Raises:
        RefusedError: it takes too long.
        OSError, pypdfium2.PdfiumError: it cannot be read.
    """
    with path.open("rb") as file:
        if _START not in file.read(_WITHIN):
            return None
    with _turn():
        try:
            document = pypdfium2.PdfDocument(path)
        except pypdfium2.PdfiumError as fault:
            if fault.err_code == raw.FPDF_ERR_PASSWORD:
                return None
            raise
        with closing(document), closing(document[0]) as page:
            return _rendered(page, size)


@contextmanager
def _turn() -> Iterator[None]:
    """PDFium for the caller alone."""
    if not _pdfium.acquire(timeout=3 * MAX_SECONDS):
        raise RefusedError("could not be decoded in time")
    try:
        yield
    finally:
        _pdfium.release()


def _rendered(page: pypdfium2.PdfPage, size: int) -> Image.Image:
    """A page at its size in pixels, whatever its size on paper: memory is that of the thumbnail."""
    scale = size / max(*page.get_size(), 1.0)
    width, height = (min(size, max(1, round(side * scale))) for side in page.get_size())
    deadline = time.monotonic() + MAX_SECONDS
    pause = raw.IFSDK_PAUSE(version=1)
    pause.NeedToPauseNow = dict(raw.IFSDK_PAUSE._fields_)["NeedToPauseNow"](lambda _: time.monotonic() > deadline)
    with closing(pypdfium2.PdfBitmap.new_native(width, height, raw.FPDFBitmap_BGR)) as bitmap:
        raw.FPDFBitmap_FillRect(bitmap, 0, 0, width, height, _WHITE)
        status = raw.FPDF_RenderPageBitmap_Start(bitmap, page, 0, 0, width, height, 0, raw.FPDF_ANNOT, pause)
        raw.FPDF_RenderPage_Close(page)
        if status != raw.FPDF_RENDER_DONE:
            raise RefusedError("takes too much to decode")
        shown: Image.Image = bitmap.to_pil().convert("RGB")
        return shown
