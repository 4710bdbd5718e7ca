"""The rate limit of the web server: a token bucket, as in exporter-toolkit."""

from exporter.clock import Clock


class RateLimit:
    """Allows `burst` requests at once, and one more after each `interval` seconds."""

    def __init__(self, interval: float, burst: int, clock: Clock) -> None:
        self._interval = interval
        self._burst = burst
        self._clock = clock
        # When the bucket is full again. This number replaces a count of tokens and a timer.
        self._full_at = clock.monotonic()

    def allow(self) -> bool:
        """Whether one more request is allowed now; if so, it is counted."""
        now = self._clock.monotonic()
        full_at = max(self._full_at, now) + self._interval
        # The tolerance is for rounding errors of floating-point sums.
        if full_at - now > self._burst * self._interval + 1e-9:
            return False
        self._full_at = full_at
        return True
