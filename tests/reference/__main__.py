"""Write the contract reference: `python -m tests.reference` executes the stories and rewrites docs/contracts/."""

from __future__ import annotations

from tests.reference.build import FOLDER, files


def main() -> None:
    """Write all files of the reference."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
