"""Badges over real HTTP: pictures and metadata, their headers, and what is refused."""

import asyncio
import json
from pathlib import Path
from xml.etree import ElementTree

import aiohttp
import pytest

from tests.support.gateway import Web, running_gateway
from tests.support.ledger import LocalChain, LocalNode, address_of
from vm.primitives.canonical_json import canonical_json
from vm.primitives.hashing import sha256

pytestmark = pytest.mark.integration

SHOPPER = address_of("shopper")
MAX = 2**53 - 1
CLUB = {
    "collection": "aurora-club",
    "brand": "aurora",
    "name": 'Aurora "Club" <b>',
    "symbol": "CLUB",
    "soulbound": False,
    "traits": {"visits": {"type": "int", "default": 0}, "motto": {"type": "string", "default": ""}},
    "evolution": [{"on": "manual", "when": "true", "set": {"visits": "token.traits.visits + 1"}}],
    "art": {"icon": "cup", "title": "{motto}", "progress": {"trait": "visits", "to": 10}},
}
PRINTS = {
    **{name: CLUB[name] for name in ("brand", "name", "symbol", "soulbound")},
    "collection": "aurora-prints",
    "metadata": {"mode": "uri", "base": "ipfs://bafy"},
}


def mint(token, collection="aurora-club", **traits):
    args = {"collection": collection, "token": token, "to": SHOPPER}
    return "nft.mint", {**args, "traits": traits} if traits else args


@pytest.fixture
def chain(tmp_path: Path):
    ops = [
        ("nft.create_collection", CLUB),
        ("nft.create_collection", PRINTS),
        mint(0),
        mint(1, motto='"><script>alert(1)</script>'),
        mint(MAX),
        mint(1, "aurora-prints"),
    ]
    chain = LocalChain(tmp_path / "data", ops)
    yield chain
    chain.close()


@pytest.fixture
async def web(chain):
    async with running_gateway(LocalNode(chain)) as web:
        yield web


async def fetch(web: Web, path: str, method: str = "GET", **headers: str):
    url = aiohttp.client.URL(web.gateway.url + path, encoded=True)
    async with web.session.request(method, url, headers=headers) as response:
        return response.status, response.headers, await response.read()


async def test_a_picture_is_harmless_and_says_so(web: Web):
    status, headers, body = await fetch(web, "/nft/aurora-club/1.svg")
    assert status == 200
    assert headers["Content-Type"].partition(";")[0] == "image/svg+xml"
    assert headers["X-Content-Type-Options"] == "nosniff"
    policy = [part.strip() for part in headers["Content-Security-Policy"].split(";")]
    assert {"sandbox", "default-src 'none'"} <= set(policy)
    assert "Access-Control-Allow-Origin" not in headers
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(body.decode()).iter()}
    assert "script" not in tags
    assert b"<script" not in body.lower()


async def test_the_tag_is_the_hash_of_the_metadata(web: Web, chain: LocalChain):
    found = await web.call("nft_metadata", {"collection": "aurora-club", "token": 1})
    digest = found["metadata_hash"]
    for kind in ("svg", "json"):
        path = f"/nft/aurora-club/1.{kind}"
        status, headers, body = await fetch(web, path)
        assert (status, headers["ETag"]) == (200, f'"{digest}"')
        for known in (f'"{digest}"', f'W/"{digest}"', f'"x", "{digest}"', "*"):
            status, headers, empty = await fetch(web, path, **{"If-None-Match": known})
            assert (status, headers["ETag"], empty) == (304, f'"{digest}"', b"")
            assert "Content-Security-Policy" in headers
        assert (await fetch(web, path, **{"If-None-Match": '"other"'}))[0] == 200
        chain.commit([chain.sign("shopper", [("nft.evolve", {"collection": "aurora-club", "token": 1})])])
        status, headers, changed = await fetch(web, path, **{"If-None-Match": f'"{digest}"'})
        assert status == 200
        assert changed != body
        digest = headers["ETag"].strip('"')


async def test_the_metadata_are_what_the_view_answers_and_prove_themselves(web: Web, chain: LocalChain):
    chain.commit()
    status, headers, body = await fetch(web, "/nft/aurora-club/1.json")
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, "application/json")
    document = json.loads(body)
    assert document == await web.call("nft_metadata", {"collection": "aurora-club", "token": 1})
    digest = document.pop("metadata_hash")
    assert sha256(canonical_json(document)).hex() == digest
    assert document["name"] == 'Aurora "Club" <b> #1'
    assert (await fetch(web, document["image"]))[0] == 200
    proved = await web.call("state_proof", ["nft/token/aurora-club/1"])
    assert proved["value"]["hash"] == digest
    first = await web.call("state_proof", ["nft/history/aurora-club/1/0"])
    assert first["value"]["hash"] == digest


@pytest.mark.parametrize("token", [0, MAX])
async def test_the_first_and_the_last_number_have_pictures(web: Web, token: int):
    for kind in ("svg", "json"):
        assert (await fetch(web, f"/nft/aurora-club/{token}.{kind}"))[0] == 200


async def test_a_path_is_decoded_once(web: Web):
    assert (await fetch(web, "/nft/aurora%2Dclub/%31.svg"))[0] == 200
    assert (await fetch(web, "/nft/aurora%252Dclub/1.svg"))[0] == 400


@pytest.mark.parametrize(
    "path",
    [
        "/nft/aurora-club/01.svg",
        "/nft/aurora-club/-1.svg",
        "/nft/aurora-club/1.0.svg",
        "/nft/aurora-club/1.SVG",
        "/nft/aurora-club/1",
        "/nft/aurora-club/1.png",
        "/nft/aurora-club/1.svg/",
        "/nft/aurora-club//1.svg",
        "/nft/Aurora/1.svg",
        "/nft/aurora-club%2F1.svg",
        "/nft/aurora-club%2F..%2F1.svg",
        "/nft/",
        f"/nft/aurora-club/{2**53}.svg",
        "/nft/aurora-club/" + "0" * 63 + "1.json",
        "/nft/aurora-club/%D9%A1.svg",
        "/nft/aurora-club/1.svg%00",
        "/nft/aurora-club/1.svg%0A",
    ],
)
async def test_another_path_is_refused_with_a_word_on_what_is_expected(web: Web, path: str):
    status, headers, body = await fetch(web, path)
    error = json.loads(body)["error"]
    assert (status, error["data"]["reason"], error["data"]["param"]) == (400, "INVALID_PARAMS", "path")
    assert headers["Content-Type"].partition(";")[0] == "application/json"


@pytest.mark.parametrize("name", ["aurora-club/9", "nothing/1"])
async def test_what_there_is_not_is_not_found(web: Web, name: str):
    for kind in ("svg", "json"):
        status, _, body = await fetch(web, f"/nft/{name}.{kind}")
        assert (status, json.loads(body)["error"]["data"]["reason"]) == (404, "NOT_FOUND")


async def test_what_is_elsewhere_has_metadata_and_no_picture(web: Web):
    status, headers, body = await fetch(web, "/nft/aurora-prints/1.json")
    assert status == 200
    assert "ETag" not in headers
    assert json.loads(body)["uri"] == "ipfs://bafy/1"
    status, _, body = await fetch(web, "/nft/aurora-prints/1.svg")
    assert (status, json.loads(body)["error"]["data"]["uri"]) == (404, "ipfs://bafy/1")


async def test_only_get_and_head(web: Web):
    status, headers, body = await fetch(web, "/nft/aurora-club/1.svg", "HEAD")
    assert (status, body) == (200, b"")
    assert headers["ETag"]
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        status, headers, _ = await fetch(web, "/nft/aurora-club/1.svg", method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")


async def test_a_page_of_another_site_is_refused(web: Web):
    status, _, _ = await fetch(web, "/nft/aurora-club/1.svg", Origin="https://evil.example")
    assert status == 403


async def test_a_picture_is_a_read_by_permission_and_rate(chain: LocalChain):
    async with running_gateway(LocalNode(chain), read_api_keys=("secret",)) as web:
        assert (await fetch(web, "/nft/aurora-club/1.svg"))[0] == 401
        assert (await fetch(web, "/nft/aurora-club/1.svg", Authorization="Bearer secret"))[0] == 200
    async with running_gateway(LocalNode(chain), max_requests_per_second=1, max_batch=3) as web:
        answers = await asyncio.gather(*[fetch(web, "/nft/aurora-club/1.svg") for _ in range(5)])
        assert sorted(status for status, _, _ in answers)[-1] == 429
        assert [status for status, _, _ in answers].count(200) == 3
