"""Cursors of `chain_transactions`: only what the method itself writes."""

import pytest

from node.gateway.errors import RpcFault
from node.gateway.transaction_cursors import cursor_of, position_of
from vm.primitives.units import MAX_INT


@pytest.mark.parametrize("position", [(0, 0), (1, 10), (255, 4096), (MAX_INT, MAX_INT)])
def test_a_cursor_leads_back(position):
    assert position_of(cursor_of(position)) == position


WRONG = "0x1.0_1|1.0_1|\u0661.0|1.\u0661|01.0|1.00|A.0|+1.0| 1.0|1.0 |1.0\n|1|1.|.1|1.0.0|20000000000000.0|-1.0"


@pytest.mark.parametrize("cursor", WRONG.split("|"))
def test_nothing_else_is_taken(cursor):
    with pytest.raises(RpcFault) as refused:
        position_of(cursor)
    assert refused.value.data == {"reason": "INVALID_PARAMS", "param": "cursor"}
