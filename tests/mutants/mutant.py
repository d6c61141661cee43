"""What a mutant is: a name, and one or more replacements of source text that break one rule (catalogue.txt)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

CATALOGUE = Path(__file__).with_name("catalogue.txt")
CONSENSUS_TESTS = ("tests/unit/consensus",)


class StaleMutant(Exception):
    """The source text that a mutant replaces does not stand exactly once where the mutant looks for it."""


@dataclass
class Edit:
    """Replace `old`, which stands exactly once in the file, by `new`."""

    path: str
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)

    def apply(self, root: Path) -> None:
        """Edit the file in a copy of the tree."""
        path = root / self.path
        path.write_text(self.applied_to(path.read_text()))

    def applied_to(self, text: str) -> str:
        """Return the mutated text; raises StaleMutant."""
        old = "\n".join(self.old)
        if text.count(old) != 1:
            raise StaleMutant(f"{self.path} holds {text.count(old)} times: {old}")
        return text.replace(old, "\n".join(self.new))


@dataclass
class Mutant:
    """A broken rule.

    Attributes:
        tests: pytest arguments that should notice; the simulator's seeds are tried after them.
        lessons: where others suffered for want of the rule, as trackers name it; then the tests alone must notice.
    """

    name: str
    edits: list[Edit] = field(default_factory=list)
    tests: tuple[str, ...] = CONSENSUS_TESTS
    lessons: tuple[str, ...] = ()


def read_catalogue(text: str) -> list[Mutant]:
    """Parse the catalogue's text."""
    mutants: list[Mutant] = []
    for line in text.splitlines():
        if line.startswith("## "):
            mutants.append(Mutant(line[3:]))
        elif line.startswith("- "):
            mutants[-1].edits[-1].old.append(line[2:])
        elif line.startswith("+ "):
            mutants[-1].edits[-1].new.append(line[2:])
        elif line.startswith("lesson: "):
            mutants[-1].lessons = tuple(line.removeprefix("lesson: ").split(", "))
        elif line and not line.startswith("#"):
            path, *tests = line.split()
            mutants[-1].edits.append(Edit(path))
            if tests:
                mutants[-1].tests = tuple(tests)
    return mutants


MUTANTS = read_catalogue(CATALOGUE.read_text())
