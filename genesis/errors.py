"""Mistakes in documents and key files: the operator's, told in one sentence."""

from __future__ import annotations


class GenesisDocumentError(Exception):
    """A genesis document that cannot begin a chain; `problems` lists everything found."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class KeyFileError(Exception):
    """A key file that cannot be read, or a wrong passphrase."""


class TestnetError(Exception):
    """A testnet's folder or settings that cannot be used."""

    __test__ = False  # pytest takes every imported class named Test… for tests
