"""Progress between two reports: a chunk may take long, and a person wants to see it move."""

FIRST_STEP = 0.01  # of the work, and
FIRST_SECONDS = 10.0  # what it is assumed to take, until the first reports tell
ENOUGH = 0.02  # of the work, to say how long the rest will take
ALMOST = 0.95  # of a step: the estimate never passes what is not known to be done


class Pace:
    """Fed with reports, estimates where the work stands. Times are seconds of any one clock."""

    def __init__(self, now: float) -> None:
        self._fraction, self._at = 0.0, now
        self._step, self._seconds = FIRST_STEP, FIRST_SECONDS
        self._shown = 0.0
        self._base: tuple[float, float] | None = None

    def reached(self, fraction: float, now: float) -> None:
        """The work stands at `fraction`. Only the first report says nothing of the pace: decoding is another work."""
        if self._base is None:
            self._base = fraction, now
        elif fraction > self._fraction:
            self._step, self._seconds = fraction - self._fraction, max(now - self._at, 1e-3)
        self._fraction, self._at = fraction, now

    def fraction(self, now: float) -> float:
        """0 to below 1, never less than before."""
        along = min((now - self._at) / self._seconds, ALMOST)
        self._shown = min(0.999, max(self._shown, self._fraction + along * self._step))
        return self._shown

    def seconds_left(self, now: float) -> float | None:
        """None until enough is known."""
        if self._base is None or self._fraction - self._base[0] < ENOUGH:
            return None
        done, since = self._base
        per_unit = (self._at - since) / (self._fraction - done)
        return max(0.0, per_unit * (1 - self._fraction) - (now - self._at))
