"""When a slow call goes to a second replica as well, and how many may.

After "The Tail at Scale": the second try is sent once the first has taken longer than 95 of 100 calls do, so it costs
about one call in twenty and takes away most of the tail; a budget keeps it so when everything is slow at once.
"""

from collections import deque
from dataclasses import dataclass

_WINDOW = 256
_FEW = 20
# The percentile is looked up again after so many calls: sorting 256 numbers takes 10 us.
_REFRESH = 16


@dataclass(frozen=True, slots=True)
class HedgeRules:
    """The delay before a hedge, in seconds: ``start_s`` while few calls are known, and never less than ``floor_s``."""

    start_s: float
    floor_s: float


class HedgeDelay:
    """The 95th percentile of the last 256 successful calls of one kind."""

    def __init__(self, rules: HedgeRules):
        self._rules = rules
        self._last: deque[float] = deque(maxlen=_WINDOW)
        self._until_refresh = _FEW
        self.seconds = max(rules.start_s, rules.floor_s)
        """How long a call is waited for alone."""

    def add(self, seconds: float) -> None:
        """Takes note of how long a successful call took."""
        self._last.append(seconds)
        self._until_refresh -= 1
        if self._until_refresh <= 0:
            self._until_refresh = _REFRESH
            ordered = sorted(self._last)
            # The smallest that at least 95 % do not exceed.
            self.seconds = max(self._rules.floor_s, ordered[-(-95 * len(ordered) // 100) - 1])


class CallBudget:
    """Second tries allowed: a share of the calls, and a burst of them when there were none for a while.

    Over any n calls at most ``share * n + burst`` are allowed.
    """

    def __init__(self, share: float, burst: int):
        """Starts with the whole burst; a share of 0 allows none ever."""
        self._share = share
        self._burst = float(burst) if share > 0 else 0.0
        self._left = self._burst

    def earn(self) -> None:
        """Takes note of a call."""
        self._left = min(self._burst, self._left + self._share)

    def take(self) -> bool:
        """Returns whether a second try is allowed now, and counts it if so."""
        # A hair below one: twenty times a twentieth is less than one as a sum of floats.
        if self._left < 1 - 1e-9:
            return False
        self._left -= 1
        return True
