"""Detectors: pure objects over arrays. No clock, no socket, no file at run time but the learned weights.

A *bank* serves many devices at once: ``bank.update(batch, now_ms) -> list[Detection]``. An empty batch is a tick. The
caller owns the clock: ``now_ms`` is the processor's, and in an evaluation the data's.
"""
