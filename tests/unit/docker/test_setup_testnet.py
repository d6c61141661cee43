"""docker/setup_testnet.py makes the testnet once, gives each brand its own key, and says when a volume was lost."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.docker_scripts import load_script

BRANDS = ("aurora", "basil", "comet", "dune")


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with a folder in place of the volumes, which the engine makes empty."""
    module = load_script("setup_testnet")
    monkeypatch.setattr(module, "TESTNET", tmp_path)
    monkeypatch.delenv("ENTENTE_CLOCK", raising=False)
    for brand in BRANDS:
        (tmp_path / brand).mkdir()
    return module


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_brand_gets_a_home_with_its_own_key_and_a_second_run_changes_nothing(
    script: ModuleType, tmp_path: Path
) -> None:
    manifest = script.set_up()
    assert {validator.home for validator in manifest.validators} == {"/data"}
    for brand in BRANDS:
        assert {path.name for path in (tmp_path / brand).iterdir()} >= {"node.toml", "genesis.json", "key.json"}
    assert len({(tmp_path / brand / "key.json").read_bytes() for brand in BRANDS}) == 4
    assert script.lost_brands() == []
    before = files(tmp_path)
    assert script.set_up() == manifest
    assert files(tmp_path) == before


def test_what_a_broken_off_set_up_left_is_replaced(script: ModuleType, tmp_path: Path) -> None:
    first = script.set_up()
    (tmp_path / script.MANIFEST_FILE).unlink()
    assert script.set_up().chain != first.chain
    assert len({(tmp_path / brand / "genesis.json").read_bytes() for brand in BRANDS}) == 1


def test_a_volume_that_holds_a_chain_is_not_replaced(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "comet" / "data").mkdir()
    with pytest.raises(SystemExit, match="comet holds a chain"):
        script.set_up()
    assert files(tmp_path) == {}


def test_a_brand_whose_volume_was_lost_is_named_and_left_alone(script: ModuleType, tmp_path: Path) -> None:
    script.set_up()
    shutil.rmtree(tmp_path / "dune")
    (tmp_path / "dune").mkdir()
    script.set_up()
    assert script.lost_brands() == ["dune"]
    assert list((tmp_path / "dune").iterdir()) == []
