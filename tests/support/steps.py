"""Work that goes on in steps, done at once."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

T = TypeVar("T")


def finished(steps: Generator[Any, None, T]) -> T:
    """Take all steps and return what comes out."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
