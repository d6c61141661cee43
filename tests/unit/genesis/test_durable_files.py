"""Private files: their modes, their replacing, and what is left after an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from genesis.durable_files import PUBLIC, durable_file, exposure, make_private_folder, write_durably


def test_files_and_folders_have_their_modes(tmp_path: Path) -> None:
    make_private_folder(tmp_path / "a" / "b")
    write_durably(tmp_path / "a" / "secret", "x")
    write_durably(tmp_path / "a" / "document", "x", mode=PUBLIC)
    modes = {path.name: path.stat().st_mode & 0o777 for path in [tmp_path / "a", *(tmp_path / "a").iterdir()]}
    assert modes == {"a": 0o700, "b": 0o700, "secret": 0o600, "document": 0o644}
    assert exposure(tmp_path / "a" / "secret") == []
    assert "chmod 600" in exposure(tmp_path / "a" / "document")[0]


def test_an_error_leaves_the_former_file_and_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_durably(path, "before")
    with pytest.raises(FileExistsError):
        write_durably(path, "other", replace=False)
    with pytest.raises(TypeError), durable_file(path) as file:
        file.write(b"half" + None)  # type: ignore[operator]
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
