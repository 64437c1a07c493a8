"""`pxt-flight demo --once` as a user runs it: rows on the screen, and nothing left behind."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
from PIL import Image

from pxt_flight import postgres
from pxt_flight.registration import running


def test_demo_once_with_pictures_of_the_user(tmp_path: Path) -> None:
    pictures, user_home, home = tmp_path / "pictures", tmp_path / "user", tmp_path / "work" / ".demo"
    for folder in (pictures, user_home, home.parent):
        folder.mkdir()
    Image.effect_mandelbrot((320, 200), (-2, -1, 1, 1), 60).save(pictures / "mandelbrot.png")
    (pictures / "broken.jpg").write_bytes(b"no picture")

    before = {process.pid for process in psutil.process_iter()}
    run = subprocess.run(
        [sys.executable, "-P", "-m", "pxt_flight", "demo", "--once", "--images", str(pictures)],
        cwd=home.parent,
        env=os.environ | {"HOME": str(user_home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "1 skipped" in run.stdout
    assert "mandelbrot.png ┆ 320   ┆ 200" in run.stdout
    assert "readings has 100000 rows" in run.stdout
    assert "Key:        pxt_" in run.stdout

    assert running(home) is None
    assert postgres.find(home) is None
    assert [
        process
        for process in psutil.process_iter(["cmdline"])
        if process.pid not in before and str(home) in " ".join(process.info["cmdline"] or [])
    ] == []
    assert list(user_home.iterdir()) == []


def test_demo_says_what_is_wrong_with_a_folder(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-P", "-m", "pxt_flight", "demo", "--once", "--images", "nowhere"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr == "INVALID_ARGUMENT: The folder of pictures does not exist. Hint: Name an existing folder.\n"
    assert running(tmp_path / ".demo") is None
