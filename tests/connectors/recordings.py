"""Exchanges with real servers, recorded by others, as if the sandbox had recorded them.

Reads the formats of VCR (YAML) and betamax (JSON). Whether they fit a description is for `specs` to say.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import yaml

from sandbox.serve import Exchange


class _Loader(yaml.CSafeLoader):
    """Reads Ruby's own tags: what is marked as an object of some class is read as nothing."""


_Loader.add_constructor("!binary", lambda loader, node: base64.b64decode(node.value))
_Loader.add_multi_constructor("!ruby/", lambda loader, tag, node: None)


def recorded(folder: Path) -> Iterator[Exchange]:
    """Gives all exchanges of a set of recordings, in the order of its files."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".yml" and "cassettes" in str(path):
            document = yaml.load(path.read_bytes(), _Loader)
        elif path.suffix == ".json" and "betamax" in str(path):
            document = orjson.loads(path.read_bytes())
        else:
            continue
        for interaction in document["http_interactions"]:
            yield _exchange(interaction["request"], interaction["response"])


def _exchange(request: Mapping[str, Any], response: Mapping[str, Any]) -> Exchange:
    address = urlsplit(request["uri"])
    return Exchange(
        vendor="",
        method=request["method"].upper(),
        path=address.path,
        query=address.query,
        headers=_headers(request["headers"]),
        body=_body(request["body"]),
        status=response["status"]["code"],
        answer_headers=_headers(response["headers"]),
        answer=_body(response["body"]),
    )


def _headers(headers: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: value[0] if isinstance(value, list) else value for name, value in (headers or {}).items()}


def _body(body: Mapping[str, Any]) -> bytes:
    content = base64.b64decode(body["base64_string"]) if "base64_string" in body else body.get("string") or b""
    content = content.encode() if isinstance(content, str) else content
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
