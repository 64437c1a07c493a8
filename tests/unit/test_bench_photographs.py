"""What is told of a pass that took less CPU than Linux counts."""

import os


def test_a_pass_below_the_tick_of_the_clock(pxt):
    from benchmarks.photographs import Pass, line  # imports Pixeltable

    told = line("kept", [Pass(wall=0.1, cpu=0.0, growth=1.0)], 50)
    assert told["per_s"] == 500
    assert told["per_s_of_one_core"] == 50 * os.sysconf("SC_CLK_TCK")
