"""How much an archive may unpack to: 256 MB, or twenty times itself, whichever is more. Images and tables stay far below; a bomb does not."""

from __future__ import annotations

import zipfile

from hawx.errors import InputError

LEAST = 1 << 28
"""Bytes that an archive of any size may unpack to."""
TIMES = 20
MEMBERS = 1 << 20
"""Files that an archive holds at most."""


def expansion(size: int) -> int:
    """Return how many bytes an archive of `size` bytes may unpack to."""
    return max(LEAST, TIMES * size)


def check_expansion(total: int, size: int, where: str) -> None:
    """Raise `InputError` where an archive of `size` bytes would unpack to more than `expansion` says; `where` is what messages call it."""
    if total > expansion(size):
        raise InputError(
            f"{where} of {size} bytes unpacks to {total}; expected at most {expansion(size)}: 256 MB or 20 times its size. Store it less compressed."
        )


def check_members(archive: zipfile.ZipFile, size: int, where: str) -> None:
    """Raise `InputError` where the members of a zip file of `size` bytes are too many or too large."""
    members = archive.infolist()
    if len(members) > MEMBERS:
        raise InputError(f"{where} holds {len(members)} files; expected at most {MEMBERS}.")
    check_expansion(sum(member.file_size for member in members), size, where)
