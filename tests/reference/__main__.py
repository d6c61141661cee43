"""Write the contract reference.

python -m tests.reference      rewrites docs/contracts/, and the answers in docs/contracts.md
"""

from __future__ import annotations

from tests.reference.build import FOLDER, GUIDE, files
from tests.reference.guide import rewritten


def main() -> None:
    """Write all files of the reference."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    GUIDE.write_text(rewritten(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
