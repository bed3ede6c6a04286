"""The memory of a step is its own peak, not the highest ever."""

from __future__ import annotations

import time

from warehouse.memory import resident_mb, step_peak_mb


def test_a_steps_peak_is_seen_and_forgotten_with_the_next():
    step_peak_mb()
    before = resident_mb()
    block = bytearray(200 << 20)
    block[::4096] = b"x" * len(block[::4096])
    time.sleep(0.3)
    del block
    assert step_peak_mb() > before + 150
    time.sleep(0.1)
    assert step_peak_mb() < before + 150
