"""Test calls: what they are called."""

from __future__ import annotations

#: The kind of an incident that is a test. It is called so on the board, in messages and in the time series.
TEST_KIND = "test"
