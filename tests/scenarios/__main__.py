"""Plays all scenarios; `--rewrite` writes what happened into them, to be reviewed as a diff."""

from __future__ import annotations

import sys
from pathlib import Path

from .script import Player

FOLDER = Path(__file__).parent


def main() -> int:
    """Return 1 where a scenario went otherwise and was not rewritten."""
    changed = 0
    for path in sorted(FOLDER.glob("*.txt")):
        text = path.read_text()
        played = Player().play(text)
        if played != text:
            changed += 1
            print(f"{path.name} went otherwise")
            if "--rewrite" in sys.argv:
                path.write_text(played)
    return 1 if changed and "--rewrite" not in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
