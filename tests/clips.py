"""Tiny videos, sounds and PDFs, made as they are needed."""

import io
from pathlib import Path
from typing import Any

import av
import numpy as np


def write_video(path: Path, *, codec: str = "mpeg4", size: tuple[int, int] = (64, 48), frames: int = 3, **stream: Any) -> Path:
    """A video whose upper half is red and lower left quarter blue; the rest is black. `stream` are attributes of its stream."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[: size[1] // 2] = (230, 20, 20)
    pixels[size[1] // 2 :, : size[0] // 2] = (20, 20, 230)
    with av.open(path, "w") as container:
        out = container.add_stream(codec, rate=24)
        out.width, out.height = size
        out.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        rotation = stream.pop("rotation", 0)
        for name, value in stream.items():
            setattr(out.codec_context, name, value)
        if rotation:
            out.set_display_rotation(rotation)
        for _ in range(frames):
            container.mux(out.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(out.encode())
    return path


def write_sound(path: Path, *, codec: str = "pcm_s16le", seconds: float = 1.0, rate: int = 44_100, layout: str = "mono") -> Path:
    """A tone that is silent in its first half."""
    time = np.arange(int(seconds * rate)) / rate
    samples = (np.sin(2 * np.pi * 440 * time) * 20_000 * (time >= seconds / 2)).astype(np.int16)
    with av.open(path, "w") as container:
        out = container.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = rate
        context = out.codec_context
        resampler = av.AudioResampler(format=context.format or "s16", layout=layout, rate=rate, frame_size=context.frame_size or 1024)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(out.encode(part))
        container.mux(out.encode())
    return path


def pdf(content: bytes, *, box: str = "0 0 200 100", pages: int = 1) -> bytes:
    """A PDF whose every page runs the same operators.

    Args:
        content: operators, for example `1 0 0 rg 0 0 100 50 re f`: a red rectangle at the lower left.
        box: the page's corners in points.
        pages: how many.
    """
    kids = " ".join(f"{4 + i} 0 R" for i in range(pages))
    page = f"<< /Type /Page /Parent 2 0 R /MediaBox [{box}] /Contents 3 0 R >>".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        *[page] * pages,
    ]
    out, places = io.BytesIO(), []
    out.write(b"%PDF-1.4\n")
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    table = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table))
    return out.getvalue()
