"""The one error of this package."""


class BadEvent(Exception):
    """A message that is no event of ours: no JSON, an unknown type or version, data that does not fit its schema."""

    code = "bad-event"
