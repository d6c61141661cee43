"""The OpenRPC document that `rpc.discover` answers, made from the method table (spec.open-rpc.org, 1.3.2).

Parameter schemas come from the same annotations as the checks, result schemas from the types that are answered, so
they cannot drift apart. What a transaction's operations may be, what each answers and what events they leave stands
in `x-calls` and `x-events`, which OpenRPC has no place for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from genesis.protocol import PROTOCOL_VERSION
from node.gateway.declared import Declared, parameters
from node.gateway.errors import REASONS
from node.gateway.method_table import Method, described
from node.gateway.presentation import dumps
from vm.runtime import Runtime

OPENRPC_VERSION: Final = "1.3.2"
_DISCOVER: Final = "rpc.discover"


def discover_method(table: Mapping[str, Method], runtime: Runtime) -> Method:
    """Return the method that describes a table, itself included, and a runtime's calls and events."""
    document: list[orjson.Fragment] = []

    def discover() -> None:
        """The OpenRPC document that describes all methods of this node."""

    method = replace(described(_DISCOVER, discover, "the OpenRPC document"), answer=lambda args: document[0])
    # Rendered once: it has half a megabyte.
    document.append(orjson.Fragment(dumps(openrpc_document({**table, _DISCOVER: method}, runtime))))
    return method


def openrpc_document(table: Mapping[str, Method], runtime: Runtime) -> dict[str, Any]:
    """Return the OpenRPC document of a method table, and of a runtime's calls and events."""
    declared = Declared(runtime, [method.result_type for method in table.values()])
    errors = {reason: _error(code, reason, meaning) for reason, (code, meaning) in REASONS.items()}
    return {
        "openrpc": OPENRPC_VERSION,
        "info": {
            "title": "Entente JSON-RPC",
            "version": f"{PROTOCOL_VERSION}.0.0",
            "description": "The gateway of a node: JSON-RPC 2.0 over HTTP POST /.",
            "license": {"name": "Apache-2.0"},
        },
        "methods": [_method(method, declared) for method in table.values()],
        "components": {"errors": errors, "schemas": declared.schemas},
        "x-calls": declared.calls(),
        "x-events": declared.events(),
    }


def _error(code: int, reason: str, meaning: str) -> dict[str, Any]:
    return {"code": code, "message": meaning, "data": {"reason": reason}}


def _method(method: Method, declared: Declared) -> dict[str, Any]:
    form: dict[str, Any] = {
        "name": method.name,
        "summary": method.summary,
        "tags": [{"name": method.name.replace(".", "_").partition("_")[0]}],
        "paramStructure": "either",
        "params": parameters(method.fields),
        "result": {"name": "result", "description": method.result, "schema": declared.schema(method.result_type)},
        "errors": [{"$ref": f"#/components/errors/{reason}"} for reason in _reasons(method)],
    }
    if method.description:
        form["description"] = method.description
    return form


def _reasons(method: Method) -> list[str]:
    if method.checks_itself:
        return ["INVALID_ARGS", "NOT_FOUND", "OUT_OF_BUDGET"]
    found = ["INVALID_PARAMS"] if method.fields else []
    if method.name.startswith(("chain_", "state_")) and method.fields:
        found += ["NOT_FOUND", "STATE_PRUNED"]
    if method.writes:
        refusals = [reason for reason, (code, _) in REASONS.items() if code == -32003]
        found += [*refusals, "NOT_READY", "UNAUTHORISED"]
    if method.name in ("tx_send", "tx_wait"):
        found += ["TIMEOUT", "SHUTTING_DOWN"]
    return found
