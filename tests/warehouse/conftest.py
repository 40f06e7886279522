"""The servers that submissions are pulled from."""

from tests.servers import _store, folder, platform, sshd, store  # noqa: F401
