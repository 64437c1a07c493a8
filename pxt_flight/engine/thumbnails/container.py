"""Files that FFmpeg reads, opened so that they can reach nothing but themselves."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer

from pxt_flight.engine.thumbnails.bounds import MAX_PIXELS, MAX_SECONDS, RefusedError

# By FFmpeg's names. Never playlists and their kind (hls, concat, image2): they name other files, and addresses.
_FORMATS = (
    "3g2,3gp,aac,ac3,aiff,amr,ape,asf,au,avi,caf,dv,flac,flv,gif,h264,hevc,ivf,m4a,m4v,matroska,mj2,mov,mp3,mp4,mpeg,mpegts,mpegvideo,"
    "mxf,ogg,wav,webm,wv"
)
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
_DECODING = {"max_pixels": str(MAX_PIXELS)}  # of one frame
_MAX_PACKETS = 20_000  # looked at
_MAX_BROKEN = 500  # of them in a row without a frame: 20 seconds of a film


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """The streams of a file.

    Raises:
        FileNotFoundError: it is gone.
        RefusedError: it holds nothing, as where a film was cut before its table of contents.
        av.FFmpegError: it cannot be read.
    """
    # With the protocol's name: a path may begin like one.
    with av.open(f"file:{path.absolute()}", options=_OPTIONS | _DECODING, timeout=MAX_SECONDS) as container:
        if not container.streams:
            raise RefusedError("cannot be decoded")
        yield container


def frames(container: InputContainer, stream: av.VideoStream | av.AudioStream) -> Iterator[av.VideoFrame | av.AudioFrame]:
    """What a stream decodes to, for as long as one file may take; what cannot be decoded is left out.

    Raises:
        RefusedError: the time is over.
    """
    # Pictures are made side by side already, and FFmpeg's threads hold a frame each before the first comes out.
    stream.codec_context.thread_count = 1
    stream.codec_context.options = _DECODING
    deadline = time.monotonic() + MAX_SECONDS
    broken = 0
    # The other streams' packets are read too: FFmpeg would skip them without coming back, however many they are.
    for seen, packet in enumerate(container.demux()):
        if seen >= _MAX_PACKETS or broken >= _MAX_BROKEN:
            return
        if time.monotonic() > deadline:
            raise RefusedError("takes too much to decode")
        if packet.stream.index != stream.index:
            continue
        try:
            found = packet.decode()
        except av.FFmpegError:  # what was cut may begin in the middle of what needs earlier packets
            found = []
        broken = 0 if found else broken + 1
        for frame in found:
            assert isinstance(frame, av.VideoFrame | av.AudioFrame)
            yield frame
