"""Links to media cells, their parts, and files for cells to hold."""

import wave
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import av
import numpy as np
from PIL import Image

KINDS = {"img": "image/png", "clip": "video/webm", "sound": "audio/wav", "doc": "application/pdf", "page": "application/octet-stream"}


class Film(NamedTuple):
    """The files of one row."""

    img: Path
    clip: Path
    sound: Path
    doc: Path
    page: Path


def make_film(folder, number):
    picture = Image.effect_noise((120, 80), 40 + number).convert("RGB")
    film = Film(*(folder / f"secret-name-{number}.{suffix}" for suffix in ("png", "webm", "wav", "pdf", "html")))
    picture.save(film.img)
    picture.save(film.doc)
    film.page.write_text("<html><script>alert(document.domain)</script></html>")
    with wave.open(str(film.sound), "wb") as sound:
        sound.setparams((1, 2, 8000, 800, "NONE", ""))
        sound.writeframes(bytes(1600))
    with av.open(str(film.clip), "w") as container:
        stream = container.add_stream("libvpx", rate=Fraction(10))
        stream.width, stream.height = 64, 48
        for shade in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade * 10, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return film


def grant_in(link):
    return urlsplit(link).path.split("/")[-2]


def with_grant(link, grant):
    return link.replace(grant_in(link), grant)


def with_cell(link, cell):
    return link.rpartition("/")[0] + "/" + cell


def cell_in(link):
    return link.rpartition("/")[2]
