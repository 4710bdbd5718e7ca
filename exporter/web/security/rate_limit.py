"""How often anybody may ask: a bucket that fills by one token each interval."""

from exporter.clock import Clock


class RateLimit:
    """At most `burst` requests at once, and one more for each `interval` seconds."""

    def __init__(self, interval: float, burst: int, clock: Clock) -> None:
        self._interval = interval
        self._burst = burst
        self._clock = clock
        self._full_at = clock.monotonic()

    def allow(self) -> bool:
        """Whether one more may be answered now; if so, it is counted."""
        now = self._clock.monotonic()
        full_at = max(self._full_at, now) + self._interval
        if full_at - now > self._burst * self._interval + 1e-9:
            return False
        self._full_at = full_at
        return True
