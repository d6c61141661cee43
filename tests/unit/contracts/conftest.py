"""Chains of two brands whose hooks a test hears; a file that needs other brands has fixtures of its own."""

from __future__ import annotations

import pytest

from tests.contract_harness import Chain
from tests.support.persons import Listener, listened_to


@pytest.fixture
def scene() -> tuple[Chain, Listener]:
    return listened_to()


@pytest.fixture
def chain(scene: tuple[Chain, Listener]) -> Chain:
    return scene[0]
