"""Benchmarks: ``python -m bench NAME`` prints one table; with ``--json FILE`` it writes its figures.

Each bench asserts its results before it times them, and says on what it ran.
"""
