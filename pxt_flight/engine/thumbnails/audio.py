"""The picture of a sound file: how loud it is, bar by bar.

Of a long one only the beginning is decoded, `MAX_SOUND` seconds: two minutes of MP3 take a fifth of a second.
"""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from pxt_flight.engine.thumbnails.bounds import RefusedError
from pxt_flight.engine.thumbnails.container import frames, opened

MAX_SOUND = 120.0  # seconds
_RATE = 8000  # samples a second, of one channel: enough to see
_BARS = 48
_FINER = 4  # drawn so much larger, and reduced: Pillow draws without smooth edges
_PAPER, _INK = (241, 245, 249), (79, 70, 229)
_SILENT = 0.04  # of the height: a bar of silence is seen too


def picture(path: Path, size: int) -> Image.Image | None:
    """The waveform of a sound, `size` pixels wide and half as high; None where the file has no sound.

    Raises:
        RefusedError: nothing could be decoded in the time that one file may take.
        OSError, av.FFmpegError: it cannot be read.
    """
    with opened(path) as container:
        stream = container.streams.best("audio")
        if stream is None:
            return None
        assert isinstance(stream, av.AudioStream)
        parts = list(_sound(container, stream))
    if not parts:
        raise RefusedError("has no sound that can be decoded")
    return _drawn(_levels(np.concatenate(parts), max(4, min(_BARS, size // 4))), size)


def _sound(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[npt.NDArray[np.int16]]:
    """Samples of one channel, of at most `MAX_SOUND` seconds."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE)
    wanted = int(MAX_SOUND * _RATE)
    for frame in frames(container, stream):
        assert isinstance(frame, av.AudioFrame)
        for part in resampler.resample(frame):
            samples = part.to_ndarray()[0, :wanted].astype(np.int16, copy=False)
            wanted -= len(samples)
            yield samples
        if wanted <= 0:
            return


def _levels(samples: npt.NDArray[np.int16], bars: int) -> list[float]:
    """How loud each of so many equal parts is, from 0 to 1; the loudest is 1."""
    starts = np.arange(bars) * len(samples) // bars
    counts = np.maximum(np.diff(starts, append=len(samples)), 1)
    loudness = np.sqrt(np.add.reduceat(np.square(samples, dtype=np.float64), starts) / counts)
    # Loudness is heard by its logarithm; a root keeps what is soft visible beside what is loud.
    return list((loudness / (loudness.max() or 1.0)) ** 0.7)


def _drawn(levels: list[float], size: int) -> Image.Image:
    width, height = size * _FINER, max(1, size // 2) * _FINER
    canvas = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(canvas)
    margin = width / 32
    pitch = (width - 2 * margin) / len(levels)
    for i, level in enumerate(levels):
        left, half = margin + pitch * (i + 0.2), max(level, _SILENT) * (height / 2 - margin)
        box = (left, height / 2 - half, left + pitch * 0.6, height / 2 + half)
        draw.rounded_rectangle(box, radius=min(pitch * 0.3, half), fill=_INK)
    return canvas.reduce(_FINER)
