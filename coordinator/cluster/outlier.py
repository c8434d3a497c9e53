"""When a replica that is connected is left out all the same: after failures in a row, for a time that grows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EjectionRules:
    """How many failures in a row eject a replica, and for how long: ``base_s``, doubled each time up to ``most_s``."""

    failures: int
    base_s: float
    most_s: float


class Outlier:
    """What the last calls to one replica were like. Times are seconds of any one clock."""

    def __init__(self, rules: EjectionRules):
        self._rules = rules
        self.reset()

    def reset(self) -> None:
        """Forgets everything: the server is another process, or connected anew."""
        self._failures = 0
        self._ejections = 0
        self._until = float("-inf")

    def failed(self, now: float, *, may_eject: bool, at_once: bool = False) -> float | None:
        """Takes note of a failure and returns for how long it ejects the replica, if it does.

        Args:
            now: The time.
            may_eject: False if this is the last usable replica; it is ejected by a later failure, if another has come.
            at_once: Whether this failure is enough alone.
        """
        self._failures += 1
        # One that failed before and has not had a success since is not given as many tries again.
        is_enough = at_once or self._failures >= self._rules.failures or self._ejections > 0
        if not may_eject or not is_enough or self.is_ejected(now):
            return None
        # Two to the 30th is beyond any sensible longest time, and a float can hold it.
        seconds = min(self._rules.most_s, self._rules.base_s * 2.0 ** min(self._ejections, 30))
        self._ejections += 1
        self._until = now + seconds
        return seconds

    def succeeded(self) -> None:
        """Takes note of a success, which clears the replica's name."""
        if self._failures or self._ejections:
            self.reset()

    def is_ejected(self, now: float) -> bool:
        """Returns whether the replica is to be left out."""
        return now < self._until

    def is_on_probation(self, now: float) -> bool:
        """Returns whether it is back from an ejection without a success so far: one call at a time is enough."""
        return self._ejections > 0 and now >= self._until
