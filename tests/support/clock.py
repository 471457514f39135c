"""A clock that goes only where a test sets it."""


class ManualClock:
    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def ms(self) -> int:
        return int(self.now_s * 1000)

    def monotonic(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
