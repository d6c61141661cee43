"""Key files: what is written can be read, and nothing that was altered can."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nacl.pwhash import argon2id

from genesis.errors import KeyFileError
from genesis.keystore import (
    MAX_MEM_BYTES,
    MAX_OPS,
    find_passphrase,
    generate_key,
    load_key,
    parse_seed,
    public_fields,
    read_key_file,
    take_passphrase,
    write_key_file,
)
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey

KEY = SigningKey(bytes(range(32)))
PASSPHRASE = "correct horse"


def answer() -> str:
    return PASSPHRASE


def never_asked() -> str:
    raise AssertionError("a plain key file needs no passphrase")


@pytest.fixture
def encrypted(tmp_path: Path) -> Path:
    """An encrypted key file, at the lowest cost of guessing, for speed."""
    path = tmp_path / "key.json"
    write_key_file(path, KEY, PASSPHRASE, ops=argon2id.OPSLIMIT_MIN, mem_bytes=argon2id.MEMLIMIT_MIN)
    return path


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain.json"
    write_key_file(path, KEY, None)
    return path


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def flip(text: str) -> str:
    return ("1" if text[0] != "1" else "2") + text[1:]


def test_encrypted_round_trip(encrypted: Path) -> None:
    loaded = load_key(encrypted, answer)
    assert loaded.key.seed == KEY.seed
    assert loaded.address == address_of_key(KEY.public_key)
    assert loaded.encrypted
    assert loaded.warnings == ()


def test_the_seed_is_not_in_an_encrypted_file(encrypted: Path) -> None:
    text = encrypted.read_text()
    assert KEY.seed.hex() not in text
    assert sorted(json.loads(text)) == ["address", "cipher", "ciphertext", "kdf", "nonce", "public_key", "version"]


def test_plain_round_trip_warns(plain: Path) -> None:
    loaded = load_key(plain, never_asked)
    assert loaded.key.seed == KEY.seed
    assert not loaded.encrypted
    assert len(loaded.warnings) == 1
    assert "unencrypted" in loaded.warnings[0]


def test_default_costs_are_within_what_the_loader_accepts(tmp_path: Path) -> None:
    write_key_file(tmp_path / "key.json", KEY, PASSPHRASE)
    assert load_key(tmp_path / "key.json", answer).key.seed == KEY.seed


def test_wrong_passphrase(encrypted: Path) -> None:
    with pytest.raises(KeyFileError, match="wrong passphrase"):
        load_key(encrypted, lambda: "incorrect horse")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 2),
        ("version", "1"),
        ("public_key", flip),
        ("address", address_of_key(SigningKey(bytes(32)).public_key)),
        ("kdf.name", "scrypt"),
        ("kdf.ops", argon2id.OPSLIMIT_MIN + 1),
        ("kdf.ops", 0),
        ("kdf.ops", MAX_OPS + 1),
        ("kdf.mem", 2 * argon2id.MEMLIMIT_MIN),
        ("kdf.mem", 0),
        ("kdf.mem", MAX_MEM_BYTES + 1),
        ("kdf.salt", flip),
        ("kdf.salt", ""),
        ("kdf.salt", "xyz"),
        ("cipher", "none"),
        ("nonce", flip),
        ("nonce", "00"),
        ("ciphertext", flip),
        ("ciphertext", ""),
        ("ciphertext", lambda text: text[:-2]),
        ("ciphertext", lambda text: text.upper() + "AB"),
    ],
)
def test_an_altered_field_is_refused(encrypted: Path, field: str, value: Any) -> None:
    def change(document: dict[str, Any]) -> None:
        *outer, name = field.split(".")
        target = document[outer[0]] if outer else document
        target[name] = value(target[name]) if callable(value) else value

    edit(encrypted, change)
    with pytest.raises(KeyFileError) as caught:
        load_key(encrypted, answer)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", ["version", "public_key", "address", "kdf", "cipher", "nonce", "ciphertext"])
def test_a_missing_field_is_refused(encrypted: Path, field: str) -> None:
    edit(encrypted, lambda document: document.pop(field))
    with pytest.raises(KeyFileError, match="is not a key file"):
        load_key(encrypted, answer)


def test_an_unknown_field_is_refused(plain: Path) -> None:
    edit(plain, lambda document: document.update(note="hello"))
    with pytest.raises(KeyFileError, match="is not a key file"):
        load_key(plain, never_asked)


@pytest.mark.parametrize("seed", [flip(KEY.seed.hex()), KEY.seed.hex()[:-2], "", 5, "zz"])
def test_an_altered_plain_seed_is_refused(plain: Path, seed: Any) -> None:
    edit(plain, lambda document: document.update(seed=seed))
    with pytest.raises(KeyFileError):
        load_key(plain, never_asked)


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", '"seed"', "\udcff"])
def test_what_is_no_key_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(KeyFileError, match="is not a key file"):
        read_key_file(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="does not exist"):
        load_key(tmp_path / "key.json", answer)
    with pytest.raises(KeyFileError, match="cannot be read"):
        load_key(tmp_path, answer)
    with pytest.raises(KeyFileError, match="cannot be written"):
        write_key_file(tmp_path / "none" / "key.json", KEY, None)


def test_only_the_owner_can_read_and_nothing_is_left_behind(encrypted: Path, tmp_path: Path) -> None:
    assert encrypted.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key.json"]


def test_a_readable_file_warns(encrypted: Path) -> None:
    encrypted.chmod(0o644)
    (warning,) = load_key(encrypted, answer).warnings
    assert "chmod 600" in warning


def test_a_file_is_replaced_only_on_request(encrypted: Path) -> None:
    other = generate_key()
    with pytest.raises(KeyFileError, match="exists already"):
        write_key_file(encrypted, other, None)
    assert load_key(encrypted, answer).key.seed == KEY.seed
    write_key_file(encrypted, other, None, replace=True)
    assert load_key(encrypted, never_asked).key.seed == other.seed


def test_an_empty_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="empty"):
        write_key_file(tmp_path / "key.json", KEY, "")
    assert not (tmp_path / "key.json").exists()


def test_two_files_of_one_key_share_nothing_secret(tmp_path: Path) -> None:
    documents = []
    for name in ("a", "b"):
        write_key_file(tmp_path / name, KEY, PASSPHRASE, ops=argon2id.OPSLIMIT_MIN, mem_bytes=argon2id.MEMLIMIT_MIN)
        documents.append(json.loads((tmp_path / name).read_text()))
    first, second = documents
    assert first["nonce"] != second["nonce"]
    assert first["kdf"]["salt"] != second["kdf"]["salt"]
    assert first["ciphertext"] != second["ciphertext"]


def test_passphrase_sources_in_their_order(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("from the file\n")
    environ = {"ENTENTE_PASSPHRASE": "from the environment"}
    assert find_passphrase(file, "from the environment", lambda: "asked")() == "from the file"
    assert find_passphrase(None, take_passphrase(environ), lambda: "asked")() == "from the environment"
    assert find_passphrase(None, None, lambda: "asked")() == "asked"
    with pytest.raises(KeyFileError, match="ENTENTE_PASSPHRASE"):
        find_passphrase(None, None, None)()
    with pytest.raises(KeyFileError, match="cannot be read"):
        find_passphrase(tmp_path / "none", None)()


def test_parse_seed() -> None:
    assert parse_seed(KEY.seed.hex() + "\n").public_key == KEY.public_key
    for wrong in ("", "00", KEY.seed.hex().upper(), KEY.seed.hex() + "00", "zz" * 32):
        with pytest.raises(KeyFileError):
            parse_seed(wrong)


def test_public_fields_hold_no_secret(plain: Path) -> None:
    assert public_fields(read_key_file(plain)) == {
        "public_key": KEY.public_key.hex(),
        "address": address_of_key(KEY.public_key),
        "encrypted": False,
    }
