"""http:// and https://: a data exchange platform's API; docs/sources.md says what it must offer."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import AwareDatetime, BaseModel, Field, NonNegativeInt, ValidationError, model_validator

from warehouse.sources.source import (
    CONNECT,
    Address,
    Changed,
    Credentials,
    Entry,
    Page,
    Passing,
    SourceError,
    is_submission,
    spelled,
)

NAME_LIMIT = 1024  # characters, as many as S3 takes bytes
PAGE_LIMIT = 64 << 20  # bytes of a page of the listing
PAGE_TIME = 300.0  # seconds for a page
PASSING = {408, 425, 429, 500, 502, 503, 504}


class _Item(BaseModel):
    """A submission as the platform lists it: with a link to its bytes, or with its rows."""

    name: str = Field(min_length=1, max_length=NAME_LIMIT)
    modified_at: AwareDatetime
    size: NonNegativeInt = 0
    etag: str = ""
    sha256: str = ""
    content: str = ""
    rows: list[dict[str, Any]] | None = None

    @model_validator(mode="after")
    def _has_bytes_or_rows(self) -> _Item:
        if bool(self.content) == (self.rows is not None) or (self.content and "size" not in self.model_fields_set):
            raise ValueError("has either content, with size, or rows")
        return self


class _Listing(BaseModel):
    submissions: list[_Item]
    cursor: str | None = None
    more: bool = False


class Exchange:
    """Each department has a token of its own: whose token lists a submission is who sent it."""

    def __init__(self, at: Address, credentials: Credentials) -> None:
        self.at = at
        self.takes_receipts = at.takes_receipts
        port = f":{at.port}" if at.port else ""
        host = f"[{at.host}]" if ":" in at.host else at.host
        self.base = httpx.URL(f"{at.scheme}://{host}{port}{quote(at.path.rstrip('/'))}/")
        prefix = f"{at.options.get('credential', '').upper()}_TOKEN_"
        self._tokens = {k.removeprefix(prefix).lower(): v for k, v in credentials.items() if k.startswith(prefix)}
        if "credential" not in at.options or not self._tokens:
            raise SourceError(
                f"{at.shown}: there is no token to ask with; name a credential in the URL (?credential=NAME) and give each"
                " department's token as WALLCHART_CREDENTIAL_<NAME>_TOKEN_<DEPARTMENT>"
            )
        self._client = httpx.Client(
            timeout=httpx.Timeout(at.timeout, connect=CONNECT),
            headers={"User-Agent": "wallchart"},
            follow_redirects=False,
        )

    def departments(self) -> list[str]:
        return sorted(self._tokens)

    def page(self, department: str, cursor: str | None) -> Page:
        """The cursor says how far the listing was read, and what the platform said of an end with nothing behind it."""
        told = json.loads(cursor) if cursor else {}
        after = told.get("after")
        conditions = {"If-None-Match": told.get("etag"), "If-Modified-Since": told.get("modified")}
        with self._sent(
            department,
            "GET",
            self.base.join("submissions"),
            params={"department": department, **({"after": after} if after else {})},
            headers={k: v for k, v in conditions.items() if v},
            fine={200, 304, 410} if after else {200, 304},
        ) as answer:
            if answer.status_code == 304:
                return Page([], cursor)
            if answer.status_code == 410:  # the platform no longer knows the cursor: from the beginning
                return Page([], json.dumps({"after": None}), more=True)
            body, headers = self._body(answer), answer.headers
        try:
            listing = _Listing.model_validate_json(body)
        except ValidationError as e:
            first = e.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(map(str, first["loc"])) or "the page"
            raise SourceError(
                f"{self.at.shown}: the listing of {department} cannot be read: {where}: {first['msg']}"
            ) from None
        entries = [self._entry(department, i) for i in listing.submissions if is_submission(i.name)]
        reached = listing.cursor or after
        if listing.more and reached == after:
            raise SourceError(f"{self.at.shown}: the listing of {department} has more, but no cursor to go on with")
        then: dict[str, str | None] = {"after": reached}
        if reached == after:  # asked in the same words next time: has anything changed since?
            then |= {"etag": headers.get("etag"), "modified": headers.get("last-modified")}
        return Page(entries, json.dumps(then), listing.more)

    def blocks(self, entry: Entry, start: int) -> Iterator[tuple[int, bytes]]:
        if entry.content is not None:
            yield 0, entry.content
            return
        headers = {"Accept-Encoding": "identity"}
        if start and entry.etag and not entry.etag.startswith("W/"):
            headers |= {"Range": f"bytes={start}-", "If-Range": entry.etag}
        with self._sent(entry.department, "GET", httpx.URL(entry.where), headers=headers, fine={200, 206}) as answer:
            if entry.etag and answer.headers.get("etag", entry.etag) != entry.etag:
                raise Changed(f"{entry.path} was replaced since it was listed")
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise SourceError(f"{entry.path}: the platform sends it compressed, though asked not to")
            offset = 0
            if answer.status_code == 206:
                offset = start
                if not answer.headers.get("content-range", "").startswith(f"bytes {start}-"):
                    raise SourceError(
                        f"{entry.path}: asked to go on at byte {start:,}, the platform sends another part"
                    )
            for block in answer.iter_raw():
                yield offset, block
                offset += len(block)

    def unchanged(self, entry: Entry) -> bool:
        return True  # one answer is one version; parts are joined only under one ETag

    def put_receipt(self, department: str, name: str, content: bytes) -> None:
        if department not in self._tokens:
            raise SourceError(f"{self.at.shown}: there is no token of {department} to deliver a receipt with")
        to = self.base.join(f"receipts/{quote(name)}")
        with self._sent(
            department, "PUT", to, params={"department": department}, content=content, fine={200, 201, 204}
        ):
            pass

    def close(self) -> None:
        self._client.close()

    def _entry(self, department: str, item: _Item) -> Entry:
        moment = item.modified_at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        modified_ns = moment // dt.timedelta(microseconds=1) * 1000
        if item.rows is not None:
            rows = json.dumps(item.rows, ensure_ascii=False, indent=1).encode()
            return Entry(department, spelled(item.name), len(rows), modified_ns, item.etag, content=rows)
        where = self.base.join(item.content)
        if (where.scheme, where.host, where.port) != (self.base.scheme, self.base.host, self.base.port):
            raise SourceError(
                f"{self.at.shown}: {spelled(item.name)} lies on another host, {where.host}; no token is sent there"
            )
        return Entry(department, spelled(item.name), item.size, modified_ns, item.etag, str(where), item.sha256)

    @contextmanager
    def _sent(
        self,
        department: str,
        method: str,
        url: httpx.URL,
        *,
        headers: dict[str, str] | None = None,
        fine: set[int],
        **more: Any,
    ) -> Iterator[httpx.Response]:
        """An answer with one of the `fine` codes. Messages never repeat a body: it may repeat the token."""
        what = f"{self.at.shown} ({department})"
        bearer = {"Authorization": f"Bearer {self._tokens[department].get_secret_value()}"}
        try:
            with self._client.stream(method, url, headers=bearer | (headers or {}), **more) as answer:
                code = answer.status_code
                if code in PASSING:
                    raise Passing(f"{what} answered {code} {answer.reason_phrase}", _retry_after(answer))
                if code in (401, 403):
                    raise SourceError(f"{what} does not accept this department's token ({code})")
                if code not in fine:
                    raise SourceError(f"{what} answered {code} {answer.reason_phrase} to {method} {url.path}")
                yield answer
        except httpx.HTTPError as e:
            raise Passing(f"{what}: {type(e).__name__}: {e}") from e

    def _body(self, answer: httpx.Response) -> bytes:
        body, began = bytearray(), time.monotonic()
        for block in answer.iter_bytes():
            body += block
            if len(body) > PAGE_LIMIT:
                raise SourceError(f"{self.at.shown}: a page of its listing is longer than {PAGE_LIMIT >> 20} MiB")
            if time.monotonic() - began > PAGE_TIME:
                raise Passing(f"{self.at.shown}: a page of its listing was not whole after {PAGE_TIME:.0f} s")
        return bytes(body)


def _retry_after(answer: httpx.Response) -> float:
    """Seconds; a date is held against the platform's own clock."""
    asked = answer.headers.get("retry-after", "")
    if asked.isdecimal():
        return float(asked)
    try:
        until, its_now = (parsedate_to_datetime(answer.headers[h]) for h in ("retry-after", "date"))
        return max((until - its_now).total_seconds(), 0)
    except (KeyError, ValueError, TypeError):
        return 0
