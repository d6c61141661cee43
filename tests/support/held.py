"""What the contracts' rooms and modules hold beside the state, so that `strict` sees an operation change it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from vm.runtime import Runtime

_MUTABLE: Final = (list, dict, set, bytearray)
_NONE: Final = object()


class Held:
    """What the rooms and modules of contracts hold beside the state.

    Every operation of a test is looked at, before and after, so nothing is copied unless it has changed.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._rooms = runtime.contracts
        self._of_modules = dict(_containers_of(runtime))
        self._look()

    def refresh(self) -> None:
        """Take what is held now for what was held before: a test may change it between operations."""
        if self.changed():
            self._look()

    def changed(self) -> list[str]:
        """Return where something else is held than at the last `refresh`."""
        found = [where for where, (now, was) in self._containers.items() if now != was]
        for where, now, was in self._owners:
            if now != was:
                names = now.keys() | was.keys()
                found += [f"{where}.{name}" for name in names if now.get(name, _NONE) != was.get(name, _NONE)]
        return sorted(found)

    def _look(self) -> None:
        self._containers = {where: (held, held.copy()) for where, held in self._of_modules.items()}
        self._owners = []
        for room in self._rooms:
            for where, owner in _owners(type(room).__qualname__, room, set()):
                self._owners.append((where, owner, owner.copy()))
                mutable = {f"{where}.{name}": held for name, held in owner.items() if type(held) in _MUTABLE}
                self._containers |= {name: (held, held.copy()) for name, held in mutable.items()}


def _containers_of(runtime: Runtime) -> Iterator[tuple[str, Any]]:
    """Yield what can change in the modules of the contracts' packages, and in the classes of the rooms."""
    modules = [type(room).__module__ for room in runtime.contracts]
    homes = {"contracts_py" if name.startswith("contracts_py.") else name for name in modules}
    for name, module in list(sys.modules.items()):
        if any(name == home or name.startswith(f"{home}.") for home in homes):
            spaces = [
                (name, vars(module)),
                *((f"{name}.{n}", vars(c)) for n, c in vars(module).items() if _is_room(c)),
            ]
            for where, space in spaces:
                for attribute, value in list(space.items()):
                    if type(value) in _MUTABLE and not attribute.startswith("__"):
                        yield f"{where}.{attribute}", value


def _is_room(value: Any) -> bool:
    return isinstance(value, type) and hasattr(value, "name") and not issubclass(value, msgspec.Struct)


def _owners(where: str, owner: Any, seen: set[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the attributes of an object of a contract, and those of the contract's objects in it."""
    seen.add(id(owner))
    attributes = getattr(owner, "__dict__", {})
    yield where, attributes
    for name, value in attributes.items():
        if id(value) not in seen and type(value).__module__.startswith(type(owner).__module__.partition(".")[0]):
            yield from _owners(f"{where}.{name}", value, seen)
