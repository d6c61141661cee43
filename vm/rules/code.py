"""Lines of generated Python, their indentation, and the constants that they name."""

from __future__ import annotations

from typing import Any


class Code:
    """Generated source: functions that are complete, and those that are being written, the innermost last."""

    def __init__(self, constants: dict[str, Any]) -> None:
        self.constants = constants
        self._finished: list[str] = []
        self._writing: list[list[str]] = [[]]
        self._indents: list[int] = [0]
        self._count = 0

    def fresh(self, prefix: str) -> str:
        """Return a name that nothing has yet."""
        self._count += 1
        return f"{prefix}{self._count}"

    def constant(self, value: Any) -> str:
        """Return the name of a constant."""
        name = self.fresh("K")
        self.constants[name] = value
        return name

    def line(self, text: str) -> None:
        """Write a line where writing is."""
        self._writing[-1].append(" " * self._indents[-1] + text)

    def open(self, head: str) -> None:
        """Write the head of a compound statement; what follows is inside."""
        self.line(head)
        self._indents[-1] += 1

    def close(self) -> None:
        """End a compound statement."""
        if self._writing[-1][-1].endswith(":"):
            self.line("pass")
        self._indents[-1] -= 1

    def begin_function(self, head: str) -> None:
        """Begin a function beside the one that is being written."""
        self._writing.append([])
        self._indents.append(0)
        self.open(head)

    def end_function(self) -> None:
        """End it, and go on with the one around it."""
        self._finished += self._writing.pop()
        self._indents.pop()

    def function(self, name: str) -> Any:
        """Compile what is written and return one of its functions."""
        source = "\n".join((*self._finished, *self._writing[0], ""))
        # The namespace has no builtins but what is needed: the code cannot reach what it does not name.
        namespace = {"__builtins__": {"type": type, "int": int, "str": str, "bool": bool, "bytes": bytes,
                                      "dict": dict, "list": list, "tuple": tuple}, **self.constants}  # fmt: skip
        exec(compile(source, "<rule>", "exec", dont_inherit=True), namespace)
        return namespace[name]
