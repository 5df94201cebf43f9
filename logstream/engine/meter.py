"""What is measured of the sessions that are followed."""


class Meter:
    """Measures nothing; whoever wants figures makes one that does. A feed's locks may be held: it must not block."""

    def delivered(self, seconds: float) -> None:
        """Text was offered to all who are live, so long after it was written."""

    def started_over(self, subscriptions: int) -> None:
        """So many subscriptions begin again, since their file is not what it was."""
