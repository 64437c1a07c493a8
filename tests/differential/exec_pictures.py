"""Files of media for the tests of the executor: pictures of several modes, a broken one, a video, documents."""

from pathlib import Path
from typing import Any

import av
from PIL import Image


def pictures(folder: Path) -> list[str]:
    """The paths of four small pictures: two in RGB, one with alpha, one in grey."""
    modes = ["RGB", "RGB", "RGBA", "L"]
    paths = []
    for i, mode in enumerate(modes):
        image = Image.linear_gradient("L").resize((40 + i, 30)).convert(mode)
        if mode == "RGBA":
            image.putalpha(100)
        image.save(folder / f"{i}.png")
        paths.append(str(folder / f"{i}.png"))
    return paths


def broken(folder: Path) -> str:
    """The path of a file that is no picture."""
    (folder / "broken.png").write_bytes(b"no picture")
    return str(folder / "broken.png")


def video(folder: Path, frames: int = 10) -> str:
    """The path of a video of two seconds, 64 x 48."""
    path = folder / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", (64, 48), (i * 20, 0, 60)))))
        container.mux(stream.encode())
    return str(path)


def document(folder: Path) -> str:
    """The path of a text of three paragraphs."""
    path = folder / "text.md"
    path.write_text("# Title\n\nThe first paragraph.\n\nThe second one.\n")
    return str(path)
