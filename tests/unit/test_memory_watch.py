"""The benchmarks' watch over a process's memory sees what was taken, also when it was given back before the end."""

import os

from benchmarks.memory import watch

MIB = 1 << 20


def test_memory_that_was_taken_and_given_back_is_seen():
    with watch(os.getpid()) as peak:
        taken = bytearray(os.urandom(MIB)) * 96
        assert len(taken) == 96 * MIB
        del taken
    assert 90 * MIB < peak.growth < 160 * MIB
    assert peak.idle > MIB
