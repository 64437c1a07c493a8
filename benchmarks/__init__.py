"""Speed and memory as ratios, each measured in one run against named rivals: `python -m benchmarks`, or `make bench`."""
