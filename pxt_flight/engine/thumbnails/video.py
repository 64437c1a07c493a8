"""The picture of a video file: the first frame that can be decoded."""

from pathlib import Path

import av
from PIL import Image

from pxt_flight.engine.thumbnails.bounds import RefusedError, check_pixels
from pxt_flight.engine.thumbnails.container import frames, opened


def picture(path: Path, size: int) -> Image.Image | None:
    """The first frame of a video, turned and stretched as it says, at most `size` pixels on its long side; None without a video stream.

    Raises:
        RefusedError: no frame was found in the packets or the time that one file may take.
        OSError, av.FFmpegError: it cannot be read.
    """
    with opened(path) as container:
        stream = container.streams.best("video")
        if stream is None:
            return None
        assert isinstance(stream, av.VideoStream)
        frame = next(frames(container, stream), None)
        if frame is None:
            raise RefusedError("has no frame that can be decoded")
        assert isinstance(frame, av.VideoFrame)
        check_pixels(frame.width, frame.height)
        wide = frame.width * float(stream.sample_aspect_ratio or 1)  # pixels need not be square
        scale = min(1.0, size / max(wide, frame.height))
        width, height = (max(1, round(side * scale)) for side in (wide, frame.height))
        small = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
        shown = Image.fromarray(small.to_ndarray())
        return shown.rotate(round(frame.rotation / 90) * 90, expand=True)
