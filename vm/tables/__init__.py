"""Typed state: what a contract declares in place of keys and values (docs/contract-floor.md)."""

from __future__ import annotations

from vm.tables.bag import Bag
from vm.tables.once import OnceTable
from vm.tables.ordered_set import OrderedMap, OrderedSet
from vm.tables.page import DEFAULT_PAGE, Cursor, Page, PageLimit
from vm.tables.parts import ADDRESS, HEX, NUMBER, SLUG, TEXT, Part
from vm.tables.schedule import Schedule, due
from vm.tables.sequence import Sequence
from vm.tables.stored import Readable, Stored, Writable
from vm.tables.table import Table
from vm.tables.tree import EMPTY, GONE, Root, Tree

__all__ = [
    "ADDRESS",
    "DEFAULT_PAGE",
    "EMPTY",
    "GONE",
    "HEX",
    "NUMBER",
    "SLUG",
    "TEXT",
    "Bag",
    "Cursor",
    "OnceTable",
    "OrderedMap",
    "OrderedSet",
    "Page",
    "PageLimit",
    "Part",
    "Readable",
    "Root",
    "Schedule",
    "Sequence",
    "Stored",
    "Table",
    "Tree",
    "Writable",
    "due",
]
