"""The error of a widget's field that was given what it cannot show."""

import traitlets


class Refused(traitlets.TraitError, ValueError):
    """Both kinds, for both who set a field: Python code expects a ValueError, and only after a TraitError does
    traitlets take back what a message from the browser has set, before any observer hears of it.
    """
