"""What can end an import or an export; the message is for the operator, in one sentence."""

from __future__ import annotations

from typing import Any


class MovingError(Exception):
    """Base of this package's errors."""


class FileRefused(MovingError):
    """The file as a whole cannot be read as the columns say; nothing was sent."""


class Stopped(MovingError):
    """The chain, or the way to it, does not let the import go on; what was sent stays, and a second run goes on."""


def first_stop(group: ExceptionGroup[Any]) -> Exception:
    """Return what stopped a group of tasks: one `Stopped` of them; the group where there is anything else in it."""
    stops, others = group.split(Stopped)
    if stops is None or others is not None:
        return group
    error: Exception = stops
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
