"""The steps of a trace: pure functions over plain values, listed in order by `coordinator.pipeline`."""
