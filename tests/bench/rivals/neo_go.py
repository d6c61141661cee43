"""Four neo-go validators (dBFT 2.0, LevelDB, Go) under signed NEP-17 transfers of GAS; prints one JSON line.

Run by the interpreter of `environment` with neo-mamba, from the repository's root. Wallets and configurations are
made anew in --home. All senders' transfers have the same length, so that a block's raw bytes tell by their strides
which it holds; the JSON of full blocks would cost the node that is asked as much as admitting them.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
from collections.abc import Sequence
from typing import Any

from neo3 import vm
from neo3.contracts import utils
from neo3.core import cryptography, types
from neo3.network.payloads import transaction, verification
from neo3.wallet import account, scrypt_parameters

from tests.bench.rivals.driving import Flight, Options, Processes, asked, call, measured, options_of, tell, wait_for
from tests.bench.rivals.neo_blocks import nonces_in

VALIDATORS = 4
SENDERS = 40
RECEIVERS = 200
MAGIC = 910_077
"""Of a private network; any number that no public one has."""

GAS = types.UInt160.from_string("0xd2a4cff31913016155e38e474a2c06d08be276cf")
UNIT = 10**8
FUNDS = 10_000 * UNIT
FUNDED_TOGETHER = 10

CONFIG = """\
ProtocolConfiguration:
  Magic: {magic}
  MaxTraceableBlocks: 200000
  TimePerBlock: 1s
  MaxTimePerBlock: 20s
  MaxTransactionsPerBlock: 5000
  MaxBlockSize: 4194304
  Genesis: {{TimePerBlock: 1s}}
  MemPoolSize: 50000
  StandbyCommittee: [{committee}]
  ValidatorsCount: {validators}
  SeedList: [{seeds}]
  VerifyTransactions: true
  P2PSigExtensions: false
ApplicationConfiguration:
  SkipBlockVerification: false
  DBConfiguration: {{Type: "leveldb", LevelDBOptions: {{DataDirectoryPath: "{chain}"}}}}
  P2P: {{Addresses: ["127.0.0.1:{p2p}"], DialTimeout: 3s, ProtoTickInterval: 2s, PingInterval: 30s,
    PingTimeout: 90s, MaxPeers: 10, AttemptConnPeers: 5, MinPeers: 2}}
  Relay: true
  RPC: {{Enabled: true, Addresses: ["127.0.0.1:{rpc}"], MaxGasInvoke: 15}}
  Consensus: {{Enabled: true, UnlockWallet: {{Path: "{wallet}", Password: "pw"}}}}
"""
"""A block a second of up to 5,000 transactions, every transaction verified: its fastest honest settings."""


class Network:
    """The validators' wallets, configurations and processes."""

    def __init__(self, options: Options, processes: Processes) -> None:
        self._home = options.home
        self.rpc_ports = [options.port + n for n in range(VALIDATORS)]
        self._p2p_ports = [options.port + VALIDATORS + n for n in range(VALIDATORS)]
        self._accounts = [account.Account.from_private_key(os.urandom(32)) for _ in range(VALIDATORS)]
        self._committee_script = utils.create_multisig_redeemscript(3, [a.public_key for a in self._accounts])
        digest = hashlib.new("ripemd160", hashlib.sha256(self._committee_script).digest()).digest()
        self.committee = types.UInt160(digest)
        for index in range(VALIDATORS):
            self._write_home(index)
            command = [options.binary, "node", "--config-file", self._home / f"{index}.yml"]
            processes.start(command, self._home / f"{index}.log")
        for port in self.rpc_ports:
            wait_for(lambda port=port: call(port, "getblockcount") >= 2, f"port {port} has a block")

    def _write_home(self, index: int) -> None:
        own = self._accounts[index]
        scrypt = scrypt_parameters.ScryptParameters(n=16, r=1, p=1)
        key = account.Account.private_key_to_nep2(own.private_key, "pw", scrypt)
        script = base64.b64encode(utils.create_signature_redeemscript(own.public_key)).decode()
        contract = {
            "script": script,
            "parameters": [{"name": "signature", "type": "Signature"}],
            "deployed": False,
        }
        held = {"address": own.address, "key": _text(key), "label": "", "contract": contract, "lock": False}
        wallet = {
            "version": "1.0",
            "accounts": [{**held, "isDefault": True}],
            "scrypt": {"n": 16, "r": 1, "p": 1},
            "extra": {"Tokens": None},
        }
        wallet_file = self._home / f"{index}.json"
        wallet_file.write_text(json.dumps(wallet))
        config = CONFIG.format(
            magic=MAGIC,
            committee=", ".join(each.public_key.to_array().hex() for each in self._accounts),
            validators=VALIDATORS,
            seeds=", ".join(f'"127.0.0.1:{port}"' for port in self._p2p_ports),
            chain=self._home / f"chain{index}",
            p2p=self._p2p_ports[index],
            rpc=self.rpc_ports[index],
            wallet=wallet_file,
        )
        (self._home / f"{index}.yml").write_text(config)

    def fund(self, senders: Sequence[Any]) -> None:
        """Give senders GAS of the committee's."""
        for start in range(0, len(senders), FUNDED_TOGETHER):
            builder = vm.ScriptBuilder()
            for sender in senders[start : start + FUNDED_TOGETHER]:
                _emit_transfer(builder, self.committee, sender.script_hash, FUNDS)
            until = call(self.rpc_ports[0], "getblockcount") + 500
            made = _transaction(builder, self.committee, 20 * UNIT, UNIT, until, start)
            message = MAGIC.to_bytes(4, "little") + made.hash().to_array()
            invocation = vm.ScriptBuilder()
            for signer in sorted(self._accounts, key=lambda each: each.public_key)[:3]:
                invocation.emit_push(cryptography.sign(message, signer.private_key))
            made.witnesses = [verification.Witness(invocation.to_array(), self._committee_script)]
            sent = call(self.rpc_ports[0], "sendrawtransaction", _base64(made))["hash"]
            wait_for(lambda sent=sent: call(self.rpc_ports[0], "gettransactionheight", sent) > 0, "funded")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _base64(made: Any) -> str:
    return base64.b64encode(made.to_array()).decode()


def _emit_transfer(builder: Any, sender: Any, to: Any, amount: int) -> None:
    builder.emit_contract_call_with_args(GAS, "transfer", [sender, to, amount, None])
    builder.emit(vm.OpCode.ASSERT)


def _transaction(builder: Any, sender: Any, system_fee: int, network_fee: int, until: int, nonce: int) -> Any:
    return transaction.Transaction(
        version=0,
        nonce=nonce,
        system_fee=system_fee,
        network_fee=network_fee,
        valid_until_block=until,
        attributes=[],
        signers=[verification.Signer(sender, verification.WitnessScope.CALLED_BY_ENTRY)],
        script=builder.to_array(),
    )


def signed_transfers(network: Network, senders: Sequence[Any], count: int) -> tuple[dict[int, bytes], int]:
    """Return so many transfers as JSON-RPC bodies by their nonce, senders in turn, and how long each is."""
    port = network.rpc_ports[0]
    until = call(port, "getblockcount") + 2_000
    receivers = [types.UInt160(os.urandom(20)) for _ in range(RECEIVERS)]
    system_fee = _fee_of_a_transfer(port, senders[0], receivers[0])
    bodies, lengths = {}, set()
    for nonce, sender in zip(range(count), itertools.cycle(senders)):
        builder = vm.ScriptBuilder()
        _emit_transfer(builder, sender.script_hash, receivers[nonce % RECEIVERS], 1)
        made = _transaction(builder, sender.script_hash, system_fee, 2_000_000, until, nonce)
        sender.sign_tx(made, MAGIC)
        lengths.add(len(made.to_array()))
        request = {"jsonrpc": "2.0", "id": 1, "method": "sendrawtransaction", "params": [_base64(made)]}
        bodies[nonce] = json.dumps(request).encode()
    (length,) = lengths
    return bodies, length


def _fee_of_a_transfer(port: int, sender: Any, to: Any) -> int:
    builder = vm.ScriptBuilder()
    _emit_transfer(builder, sender.script_hash, to, 1)
    script = base64.b64encode(builder.to_array()).decode()
    signer = {"account": f"0x{sender.script_hash}", "scopes": "CalledByEntry"}
    return int(call(port, "invokescript", script, [signer])["gasconsumed"]) + 300_000


class Blocks:
    """The nonces of the transfers in the blocks that come."""

    def __init__(self, port: int, length: int) -> None:
        self._port = port
        self._length = length
        self._next = call(port, "getblockcount")

    async def mined(self) -> list[int]:
        """Return those of the blocks since the last time."""
        found: list[int] = []
        count = await asked(self._port, "getblockcount")
        for height in range(self._next, count):
            found += nonces_in(base64.b64decode(await asked(self._port, "getblock", height, False)), self._length)
        self._next = count
        return found


def main() -> None:
    """Run and print."""
    options = options_of(__doc__)
    with Processes() as processes:
        network = Network(options, processes)
        senders = [account.Account.from_private_key(os.urandom(32)) for _ in range(SENDERS)]
        network.fund(senders)
        bodies, length = signed_transfers(network, senders, options.count)
        blocks = Blocks(network.rpc_ports[0], length)
        flight = Flight(bodies, network.rpc_ports, options.in_flight, blocks.mined)
        tell(measured(flight, options.seconds, processes))


if __name__ == "__main__":
    main()
