"""Key files: an Ed25519 seed at rest, encrypted under a passphrase, or plain for testnets.

Encrypted:  {version, public_key, address, kdf: {name: "argon2id", ops, mem, salt},
             cipher: "xsalsa20poly1305", nonce, ciphertext}
Plain:      {version, public_key, address, seed}

The key that encrypts is Argon2id of the passphrase; the cipher authenticates, so that a wrong passphrase and
an altered file are refused alike. Byte strings are lower-case hex.

Invariants:
    1. A loaded key's public key and address are those that its file names.
    2. A key file appears whole or not at all, readable by its owner only, and never replaces another one
       unless it was asked to.
    3. No file makes the loader use more than MAX_MEM_BYTES of memory or MAX_OPS passes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

from genesis.durable_files import exposure, write_durably
from genesis.errors import KeyFileError
from vm.primitives.address import address_of_key
from vm.primitives.keys import SEED_BYTES, SigningKey
from vm.primitives.units import is_lower_hex

KEY_FILE_VERSION = 1
PASSPHRASE_ENV = "ENTENTE_PASSPHRASE"

# libsodium's "moderate" limits: a quarter of a gigabyte and some half a second for each guess.
KDF_OPS = argon2id.OPSLIMIT_MODERATE
KDF_MEM_BYTES = argon2id.MEMLIMIT_MODERATE

MAX_OPS = 16
MAX_MEM_BYTES = 1 << 30
"""libsodium's "sensitive" memory limit; no tool of ours writes more."""

MAX_FILE_BYTES = 64 * 1024

Hex = Annotated[str, Meta(pattern=r"^(?:[0-9a-f]{2})*$")]


class Kdf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the passphrase becomes a key: Argon2id's passes, memory in bytes, salt."""

    name: Literal["argon2id"]
    ops: Annotated[int, Meta(ge=argon2id.OPSLIMIT_MIN, le=MAX_OPS)]
    mem: Annotated[int, Meta(ge=argon2id.MEMLIMIT_MIN, le=MAX_MEM_BYTES)]
    salt: Hex


class EncryptedKeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key file that needs a passphrase."""

    version: int
    public_key: Hex
    address: str
    kdf: Kdf
    cipher: Literal["xsalsa20poly1305"]
    nonce: Hex
    ciphertext: Hex


class PlainKeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A testnet's key file: the seed in clear."""

    version: int
    public_key: Hex
    address: str
    seed: Hex


KeyFile = EncryptedKeyFile | PlainKeyFile


class LoadedKey(msgspec.Struct, frozen=True):
    """A key and how safely its file keeps it.

    Attributes:
        warnings: sentences that an operator ought to see; none for an encrypted file of the owner's only.
    """

    key: SigningKey
    address: str
    encrypted: bool
    warnings: tuple[str, ...] = ()


def generate_key() -> SigningKey:
    """Return a new key from the system's random source."""
    return SigningKey(secrets.token_bytes(SEED_BYTES))


def write_key_file(
    path: Path,
    key: SigningKey,
    passphrase: str | None,
    *,
    replace: bool = False,
    ops: int = KDF_OPS,
    mem_bytes: int = KDF_MEM_BYTES,
) -> None:
    """Write a key file, durably and with mode 0600.

    Args:
        passphrase: None writes the plain form, which is for testnets only.
        replace: overwrite an existing file.
        ops, mem_bytes: what one guess at the passphrase costs (Argon2id).

    Raises:
        KeyFileError: the file exists, or cannot be written, or the passphrase is empty.
    """
    document = _plain(key) if passphrase is None else _encrypt(key, passphrase, ops, mem_bytes)
    text = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    try:
        write_durably(path, text, replace=replace)
    except FileExistsError:
        raise KeyFileError(f"{path} exists already") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from None


def read_key_file(path: Path) -> KeyFile:
    """Return a key file's fields without decrypting anything.

    Raises:
        KeyFileError: the file is missing, cannot be read, or is no key file.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES)
    except FileNotFoundError:
        raise KeyFileError(f"key file {path} does not exist") from None
    except OSError as error:
        raise KeyFileError(f"key file {path} cannot be read: {error.strerror}") from None
    try:
        fields = msgspec.json.decode(text)
        kind: type[KeyFile] = EncryptedKeyFile
        if isinstance(fields, dict) and "seed" in fields:
            kind = PlainKeyFile
        document: KeyFile = msgspec.convert(fields, kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path} is not a key file: {error}") from None
    if document.version != KEY_FILE_VERSION:
        raise KeyFileError(f"{path} has key file version {document.version}; this program reads {KEY_FILE_VERSION}")
    return document


def load_key(path: Path, passphrase: Callable[[], str]) -> LoadedKey:
    """Return the key in a file.

    Args:
        passphrase: called only where the file is encrypted.

    Raises:
        KeyFileError: missing, damaged or altered file, or a wrong passphrase.
    """
    document = read_key_file(path)
    encrypted = isinstance(document, EncryptedKeyFile)
    warnings = exposure(path)
    if isinstance(document, EncryptedKeyFile):
        seed = _decrypt(path, document, passphrase())
    else:
        seed = bytes.fromhex(document.seed)
        warnings.append(f"{path} keeps its key unencrypted, which is for testnets only")
    if len(seed) != SEED_BYTES:
        raise KeyFileError(f"{path} is damaged: a seed has {SEED_BYTES} bytes, not {len(seed)}")
    key = SigningKey(seed)
    if (document.public_key, document.address) != (key.public_key.hex(), address_of_key(key.public_key)):
        raise KeyFileError(f"{path} is damaged: its public key or address is not that of its seed")
    return LoadedKey(key, document.address, encrypted, tuple(warnings))


def take_passphrase(environ: MutableMapping[str, str]) -> str | None:
    """Return ENTENTE_PASSPHRASE and drop it from an environment, so that no child process inherits it."""
    return environ.pop(PASSPHRASE_ENV, None)


def find_passphrase(
    file: Path | None, from_environment: str | None, ask: Callable[[], str] | None = None
) -> Callable[[], str]:
    """Return a function that finds the passphrase: in `file`, else what the environment had, else by asking.

    Args:
        from_environment: what `take_passphrase` returned.

    Raises (when called):
        KeyFileError: the file cannot be read, or there is none of the three.
    """

    def find() -> str:
        if file is not None:
            try:
                return file.read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise KeyFileError(f"passphrase file {file} cannot be read: {error}") from None
        if from_environment is not None:
            return from_environment
        if ask is None:
            raise KeyFileError(f"the key is encrypted: set {PASSPHRASE_ENV} or name a --passphrase-file")
        return ask()

    return find


def _plain(key: SigningKey) -> PlainKeyFile:
    return PlainKeyFile(KEY_FILE_VERSION, key.public_key.hex(), address_of_key(key.public_key), key.seed.hex())


def _encrypt(key: SigningKey, passphrase: str, ops: int, mem_bytes: int) -> EncryptedKeyFile:
    if not passphrase:
        raise KeyFileError("the passphrase is empty")
    salt = secrets.token_bytes(argon2id.SALTBYTES)
    nonce = secrets.token_bytes(SecretBox.NONCE_SIZE)
    box = SecretBox(argon2id.kdf(SecretBox.KEY_SIZE, passphrase.encode(), salt, opslimit=ops, memlimit=mem_bytes))
    return EncryptedKeyFile(
        version=KEY_FILE_VERSION,
        public_key=key.public_key.hex(),
        address=address_of_key(key.public_key),
        kdf=Kdf("argon2id", ops, mem_bytes, salt.hex()),
        cipher="xsalsa20poly1305",
        nonce=nonce.hex(),
        ciphertext=box.encrypt(key.seed, nonce).ciphertext.hex(),
    )


def _decrypt(path: Path, document: EncryptedKeyFile, passphrase: str) -> bytes:
    kdf = document.kdf
    salt, nonce = bytes.fromhex(kdf.salt), bytes.fromhex(document.nonce)
    if len(salt) != argon2id.SALTBYTES or len(nonce) != SecretBox.NONCE_SIZE:
        raise KeyFileError(f"{path} is damaged: its salt or nonce has a wrong length")
    try:
        secret = argon2id.kdf(SecretBox.KEY_SIZE, passphrase.encode(), salt, opslimit=kdf.ops, memlimit=kdf.mem)
        return bytes(SecretBox(secret).decrypt(bytes.fromhex(document.ciphertext), nonce))
    except (CryptoError, ValueError):
        raise KeyFileError(f"{path} cannot be decrypted: wrong passphrase, or an altered file") from None


def parse_seed(text: str) -> SigningKey:
    """Return the key of a seed in hex.

    Raises:
        KeyFileError: not 64 hex digits.
    """
    seed = text.strip()
    if len(seed) != 2 * SEED_BYTES or not is_lower_hex(seed):
        raise KeyFileError(f"a seed is {2 * SEED_BYTES} lower-case hex digits")
    return SigningKey(bytes.fromhex(seed))


def public_fields(document: KeyFile) -> dict[str, Any]:
    """Return what anyone may see of a key file."""
    return {
        "public_key": document.public_key,
        "address": document.address,
        "encrypted": isinstance(document, EncryptedKeyFile),
    }
