"""An Engine and an agent of one machine, and files between them as an operator's program brings and fetches them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx


def some_bytes(size: int, seed: int = 1) -> bytes:
    """Bytes that no part of is like another."""
    return hashlib.shake_128(str(seed).encode()).digest(size)


def digest(data: bytes) -> str:
    """SHA-256 as it is written."""
    return hashlib.sha256(data).hexdigest()


def in_pieces(data: bytes, size: int = 256 * 1024) -> Iterator[bytes]:
    """A body that is sent as it goes."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


class Files:
    """Files of one device, by the REST door."""

    def __init__(self, client: httpx.Client, guid: str) -> None:
        self.client = client
        self.at = f"/api/files/{guid}"

    def listed(self, path: str = "", user: str = "") -> httpx.Response:
        """What is in a folder."""
        return self.client.get(self.at, params={"path": path, "user": user})

    def read(self, path: Path | str, user: str = "", **headers: str) -> httpx.Response:
        """Fetch a file."""
        return self.client.get(f"{self.at}/content", params={"path": str(path), "user": user}, headers=headers)

    def write(self, path: Path | str, data: bytes, *, body: Any = None, **more: Any) -> httpx.Response:
        """Bring a file; ``body`` where what is sent is not what the file should be."""
        params = {"path": str(path), "size": len(data), "transfer": "t1", **more}
        content = in_pieces(data[int(more.get("offset", 0)) :]) if body is None else body
        return self.client.put(f"{self.at}/content", params=params, content=content)

    def stand(self, path: Path | str, size: int, **more: Any) -> dict[str, Any]:
        """Where an upload stands."""
        params = {"path": str(path), "size": size, "transfer": "t1", **more}
        answer = self.client.get(f"{self.at}/upload", params=params)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told
