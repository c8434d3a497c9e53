"""Why a bench cannot run."""


class BenchError(Exception):
    """The data or the package that a bench needs is not there; the message says what to do."""
