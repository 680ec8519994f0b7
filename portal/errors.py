"""Refusals: messages written for the person who reads them."""


class Refused(Exception):
    """A rule said no. The message is shown to the person as it stands."""


class NotFound(Exception):
    """There is no such thing, or it is not this person's: the page answers 404 either way."""
