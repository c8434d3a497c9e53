"""What a load test cannot be run for."""


class LoadTestError(Exception):
    """The load test is used wrongly, or what it tests is not there: exit status 2, never a missed target."""
