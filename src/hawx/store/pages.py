"""Records in the pages of an SQLite file, read without SQLite, which gives up at the first page that is missing.

The layout is that of https://www.sqlite.org/fileformat2.html (B-tree pages, record format, overflow chains, write-ahead log). What is read may be
garbage: who reads it must be able to tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

Value = int | bytes | None
INTERIOR, LEAF = 2, 10
"""Kinds of pages of a table without row numbers; both hold records."""
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
"""Type of a value -> its bytes."""


def pages_of(file: bytes, log: bytes = b"") -> dict[int, bytes]:
    """Return number -> page of a database file and its write-ahead log, which overrules it; the last page may be cut off."""
    size = int.from_bytes(file[16:18])
    size = 65536 if size == 1 else size if size in {2**k for k in range(9, 16)} else 4096
    pages = {1 + at // size: file[at : at + size] for at in range(0, len(file), size)}
    for at in range(32, len(log), 24 + size):
        pages[int.from_bytes(log[at : at + 4])] = log[at + 24 : at + 24 + size]
    return pages


def records(pages: Mapping[int, bytes]) -> Iterator[list[Value]]:
    """Yield what looks like a record of a table without row numbers, as its values."""
    for number, page in pages.items():
        head = 100 if number == 1 else 0
        kind = page[head] if len(page) > head else 0
        if kind not in (INTERIOR, LEAF):
            continue
        cells, pointers = int.from_bytes(page[head + 3 : head + 5]), head + (12 if kind == INTERIOR else 8)
        for i in range(min(cells, len(page) // 4)):
            cell = int.from_bytes(page[pointers + 2 * i : pointers + 2 * i + 2]) + (4 if kind == INTERIOR else 0)
            try:
                yield _record(_payload(page, cell, pages))
            except IndexError:  # it leads out of the page
                continue


def _payload(page: bytes, at: int, pages: Mapping[int, bytes]) -> bytes:
    length, at = _varint(page, at)
    usable = max(map(len, pages.values()))
    most, least = (usable - 12) * 64 // 255 - 23, (usable - 12) * 32 // 255 - 23
    local = length
    if length > most:
        local = least + (length - least) % (usable - 4)
        local = local if local <= most else least
    payload, following = page[at : at + local], page[at + local : at + local + 4]
    while len(payload) < length:
        more = pages.get(int.from_bytes(following), b"")
        if len(more) < 5:
            break
        payload, following = payload + more[4:], more[:4]
    return payload[:length]


def _record(payload: bytes) -> list[Value]:
    end, at = _varint(payload, 0)
    kinds = []
    while at < end:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    values: list[Value] = []
    for kind in kinds:
        length = _INTEGERS.get(kind, (kind - 12) // 2 if kind >= 12 else 0)
        part, at = payload[at : at + length], at + length
        constant = {8: 0, 9: 1}.get(kind)
        values.append(part if kind >= 12 else int.from_bytes(part, signed=True) if kind in _INTEGERS else constant)
    return values


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """Return a number of one to nine bytes, and where it ends."""
    value = 0
    for i in range(9):
        byte = content[at + i]
        if i == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + i + 1
    raise AssertionError("a number has nine bytes at most")
