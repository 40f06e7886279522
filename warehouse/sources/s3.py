"""s3://: drop boxes as prefixes of a bucket, of any store that speaks S3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError
from fsspec import AbstractFileSystem
from s3fs.core import S3FileSystem

from warehouse.sources.boxes import DropBoxes
from warehouse.sources.source import CONNECT, Address, Credentials, SourceError


class Bucket(DropBoxes):
    passing = (OSError, BotoCoreError)

    def __init__(self, at: Address, credentials: Credentials) -> None:
        super().__init__(at)
        self.root = f"{at.host}{self.root}"
        self.within = {"timeout": 10 * at.timeout}  # a listing is many answers; each has its own time-out below
        keys = {"key": "ACCESS_KEY_ID", "secret": "SECRET_ACCESS_KEY", "token": "SESSION_TOKEN"}
        self._keys: dict[str, Any] = {k: v for k, what in keys.items() if (v := at.secret(credentials, what))}
        if "credential" in at.options and not {"key", "secret"} <= self._keys.keys():
            raise SourceError(
                f"{at.shown}: its credential has no keys; give WALLCHART_CREDENTIAL_<NAME>_ACCESS_KEY_ID and"
                " _SECRET_ACCESS_KEY"
            )

    def connect(self) -> AbstractFileSystem:
        bounds = {"connect_timeout": CONNECT, "read_timeout": self.at.timeout, "retries": {"max_attempts": 0}}
        fs = S3FileSystem(
            **self._keys,
            endpoint_url=self.at.options.get("endpoint"),
            client_kwargs={"region_name": self.at.options["region"]} if "region" in self.at.options else {},
            config_kwargs=bounds,
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        fs.retries = 1  # the landing tries again
        return fs

    def files(self, fs: Any, folder: str) -> Iterator[dict[str, Any]]:
        """One flat listing, a thousand keys a request; a key that ends in / is a folder's mark."""
        return (i for i in fs.find(folder, detail=True, **self.within).values() if not i["Key"].endswith("/"))

    def modified_ns(self, info: dict[str, Any]) -> int:
        return int(info["LastModified"].timestamp() * 1000) * 1_000_000

    def etag(self, info: dict[str, Any]) -> str:
        return str(info["ETag"])

    def write(self, fs: Any, folder: str, name: str, content: bytes) -> None:
        fs.pipe_file(f"{folder}/{name}", content, **self.within)
