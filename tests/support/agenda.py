"""A chain that does not keep up with its agenda."""

from __future__ import annotations

import pytest

from vm.agenda import AgendaRun

_more = AgendaRun._more


def items_per_block(monkeypatch: pytest.MonkeyPatch, items: int) -> None:
    """Let a block work off so many steps of the agenda at most."""

    def more(run: AgendaRun) -> bool:
        steps = vars(run).get("steps", -1) + 1  # It is asked once before the first step, and after each.
        vars(run)["steps"] = steps
        return bool(steps < items and _more(run))

    monkeypatch.setattr(AgendaRun, "_more", more)
