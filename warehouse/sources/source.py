"""What a source is: it lists the files of each department cheaply, and reads one of them from any byte on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pydantic import SecretStr

from warehouse.visible import visible, visible_name

ANSWER = 60.0  # seconds without an answer until a source counts as silent
CONNECT = 10.0  # seconds

Credentials = Mapping[str, SecretStr]  # by what follows WALLCHART_CREDENTIAL_ in the variable's name


class SourceError(Exception):
    """What a source cannot do, and why; trying again at once would not help."""


class Passing(SourceError):
    """A trouble that may pass: no answer, a broken connection. `after`: seconds that the source asks to be left alone."""

    def __init__(self, message: str, after: float = 0) -> None:
        super().__init__(message)
        self.after = after


class Changed(SourceError):
    """The file was replaced or taken away since it was listed: the next landing takes it whole."""


@dataclass(frozen=True)
class Entry:
    """A file as it is listed. `where`: the protocol's own handle. `content`: the bytes, where the listing holds them."""

    department: str
    name: str  # below the drop box
    size: int  # bytes
    modified_ns: int  # since 1970, UTC
    etag: str = ""
    where: str = ""
    sha256: str = ""  # where the source announces it
    content: bytes | None = field(default=None, repr=False)

    @property
    def path(self) -> str:
        return f"{self.department}/{self.name}"

    @property
    def version(self) -> tuple[int, int, str]:
        """What is compared to tell a file that is known from a new one, without fetching it."""
        return self.size, self.modified_ns, self.etag


@dataclass(frozen=True)
class Page:
    """Part of a listing. `cursor`: from where a listing goes on once all entries are in the ledger."""

    entries: list[Entry]
    cursor: str | None = None
    more: bool = False


class Source(Protocol):
    """Every method raises SourceError, and Passing where it is worth another try. Connects when first asked."""

    takes_receipts: bool

    def departments(self) -> list[str]:
        """Who has a drop box (or a credential) here. It says who is speaking; a file's content never does."""

    def page(self, department: str, cursor: str | None) -> Page: ...

    def blocks(self, entry: Entry, start: int) -> Iterator[tuple[int, bytes]]:
        """The bytes from `start` on, each block with its offset; from 0 where the source cannot go on in the middle."""

    def unchanged(self, entry: Entry) -> bool:
        """Whether the file is still the one that was listed."""

    def put_receipt(self, department: str, name: str, content: bytes) -> None:
        """Whole or not at all; replaces a receipt of that name."""

    def close(self) -> None: ...


def is_submission(name: str) -> bool:
    """Whether a name below a drop box may be a submission: not hidden, not an office lock file, not half written."""
    *folders, file = name.split("/")
    return (
        not any(f.startswith(".") or f == "receipts" for f in folders)
        and not file.startswith((".", "~$"))
        and not file.casefold().endswith((".part", ".tmp"))
    )


def spelled(name: str) -> str:
    """A file's name as text on one line: one that is not UTF-8 comes from a machine that writes GB 18030, and what is
    hidden in it is spelled out. So it stands in the ledger, in logs and on every page; `Entry.where` has the name itself."""
    try:
        name.encode()
    except UnicodeEncodeError:
        name = name.encode("utf-8", "surrogateescape").decode("gb18030", "replace")
    return visible_name(name)


def told(text: str, credentials: Credentials) -> str:
    """Words of foreign code as they may be kept and shown: no credential in them, and nothing hidden."""
    secrets = {secret for c in credentials.values() for secret in _spellings(c.get_secret_value())}
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "•••")
    return visible(text)


LINE = 16  # characters of a key's line that are worth hiding alone


def _spellings(secret: str) -> Iterator[str]:
    """A secret as it may be repeated: itself, as part of a URL, and of a private key each line."""
    if secret:
        yield secret
        yield quote(secret, safe="")
        yield from (line for line in secret.splitlines() if len(line) >= LINE and not line.startswith("-----"))


@dataclass(frozen=True)
class Address:
    """A source's URL taken apart. `shown` names the source in ledger, log and messages: without user and options."""

    scheme: str
    host: str
    port: int | None
    user: str
    path: str
    options: dict[str, str] = field(repr=False)
    shown: str

    @property
    def timeout(self) -> float:
        return float(self.options.get("timeout", ANSWER))

    @property
    def takes_receipts(self) -> bool:
        return self.options.get("receipts") == "yes"

    def secret(self, credentials: Credentials, what: str) -> str | None:
        """The credential WALLCHART_CREDENTIAL_<credential>_<what>, where the URL names a credential."""
        value = credentials.get(f"{self.options.get('credential', '').upper()}_{what}")
        return value.get_secret_value() if value else None


OPTIONS = {
    "file": set(),
    "sftp": {"credential", "known_hosts"},
    "s3": {"credential", "endpoint", "region"},
    "http": {"credential"},
    "https": {"credential"},
}  # besides those of all: receipts, timeout


def address(url: str) -> Address:
    """Raises SourceError, which never repeats what may be a password."""
    scheme = url.partition("://")[0]
    try:
        parts = urlsplit(url)
        port, user, password = parts.port, unquote(parts.username or ""), parts.password
    except ValueError:
        raise SourceError(
            f"a source's {scheme}:// URL cannot be read; write @ : / ? # in names as %40 %3A %2F %3F %23"
        ) from None
    if scheme not in OPTIONS:
        raise SourceError(
            f"{scheme}:// is not a source that can be pulled; use {', '.join(f'{s}://' for s in OPTIONS)}"
        )
    if scheme != "file" and "@" in parts.path + parts.query + parts.fragment:
        raise SourceError(f"a source's {scheme}:// URL holds an @ after its host; write it as %40")
    if password is not None:
        raise SourceError(f"{shown(url)}: a URL must not hold a password; give it as a credential in the environment")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := set(options) - OPTIONS[scheme] - {"receipts", "timeout"}:
        raise SourceError(f"{shown(url)}: a {scheme}:// source has no option {', '.join(sorted(unknown))}")
    if options.get("receipts", "no") not in ("yes", "no"):
        raise SourceError(f"{shown(url)}: receipts is yes or no")
    if not options.get("timeout", "60").isdecimal() or options.get("timeout") == "0":
        raise SourceError(f"{shown(url)}: timeout is a whole number of seconds")
    return Address(scheme, parts.hostname or "", port, user, unquote(parts.path), options, shown(url))


def shown(url: str) -> str:
    """The URL without user, password and options; what is left names the source for ever."""
    scheme = url.partition("://")[0]
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        assert parts.port is None or parts.port >= 0
        endpoint = dict(parse_qsl(parts.query)).get("endpoint", "") if scheme == "s3" else ""
    except ValueError:
        return f"{scheme}://…"
    if scheme != "file" and "@" in parts.path + parts.query + parts.fragment:
        return f"{scheme}://…"
    return f"{scheme}://{host}{parts.path}" + (f"?endpoint={endpoint}" if endpoint else "")
