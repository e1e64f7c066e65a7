"""Mutation of files by what they are made of: tokens of text, values of JSON, members of archives, fields of protobuf, headers of tensors.

A case is the files of one input by name. What cannot be taken apart any more is changed as bytes; what was taken apart is put together with
lengths and checksums that fit, so that a reader gets past them to what was changed.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any

Case = dict[str, bytes]
"""File name -> content: what a reader finds in its folder."""

_TOKEN = re.compile(r"\d+|[A-Za-z_]\w*|\s+|.", re.DOTALL)
_BROKEN = (
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError, OSError, EOFError, RuntimeError),
    *(struct.error, zlib.error, zipfile.BadZipFile, tarfile.TarError),
)
"""What taking apart raises on what was changed before."""
NUMBERS = (
    *("0", "1", "-1", "2", "7", "8", "16", "255", "256", "65535", "65536", "2147483647", "2147483648", "-2147483649", "9223372036854775808"),
    *("18446744073709551616", "1e308", "1e999", "-0.0", "0.+30", "1.5", "nan", "inf", "-inf", "0x", "0b2", "08", "1_0", "٣", "9" * 5000),
)
"""Numbers at which something ends."""
ODDITIES = (
    *("\x00", "\x1b[31m", "\r\n", "\n", "\u2028", "\u202e", "é", "\ufeff", "\\", "'", '"', "`", "$", "=1+1", "<b>", "&amp;", "%s", "{}", ";", ","),
    *(
        "(" * 5,
        "(" * 3000,
        "[" * 3000,
        "{" * 3000,
        '{"a":' * 3000,
        "!" * 3000,
        "~" * 3000,
        ")" * 3000,
        "0 ?" * 500,
        "a+" * 3000,
        "x" * 70000,
        "/*",
        "*/",
        "//",
    ),
)
"""Texts that mean something to somebody: brackets in depth, escapes, quotes, ends of lines."""
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 255, 256, 1 << 31, 1 << 63, 1 << 70, -(1 << 70), 0.5, -0.0, 1e308, float("nan"), float("inf"), float("-inf")),
    *(
        "",
        "a",
        "s8",
        "u9",
        "../../x",
        "/etc/passwd",
        "\x1b[2J",
        "\ud800",
        "é\n",
        "=cmd()",
        "<script>",
        "x" * 9000,
        [],
        {},
        [[]],
        [0],
        [1, 2],
        ["a"],
        {"a": 1},
    ),
    *([None] * 3, {"": ""}, list(range(300)), [[[[[[0]]]]]]),
)
"""JSON values of every kind and size."""


def mutate(case: Case, others: Sequence[Case], random: Random) -> Case:
    """Return a changed copy of `case`; `others` lend parts."""
    result = dict(case)
    for _ in range(1 + min(int(random.expovariate(1.2)), 5)):
        name = random.choice(sorted(result))
        donors = [other[name] for other in others if name in other] or [result[name]]
        result[name] = changed(name, result[name], random.choice(donors), random)
    return result


def changed(name: str, data: bytes, donor: bytes, random: Random) -> bytes:
    """Return a changed copy of the bytes of a file called `name`."""
    if random.random() < 0.12:
        return _bytes(data, donor, random)
    for fits, change in _FORMS:
        if fits(name, data):
            try:
                return change(data, donor, random)
            except _BROKEN:
                break  # it was changed before and is no longer of that form
    return _bytes(data, donor, random)


def _span(size: int, random: Random) -> slice:
    start = random.randrange(size + 1)
    return slice(start, min(size, start + 1 + int(random.expovariate(1 / 8))))


def _bytes(data: bytes, donor: bytes, random: Random) -> bytes:
    """Flip, insert, remove, repeat or move bytes, cut the end off, or go on as the donor does."""
    place = random.randrange(len(data) + 1)
    kind = random.randrange(8)
    if kind <= 1 and data:
        flipped = bytearray(data)
        for _ in range(1 + random.randrange(4)):
            flipped[random.randrange(len(data))] = random.choice((0, 255, 127, 128, random.randrange(256)))
        return bytes(flipped)
    if kind == 2:
        return data[:place]
    if kind == 3:
        return data[:place] + random.randbytes(1 + random.randrange(8)) + data[place:]
    if kind == 4:
        part = _span(len(data), random)
        return data[: part.start] + data[part.stop :]
    if kind == 5:
        part = _span(len(data), random)
        return data[: part.stop] + data[part] * random.choice((1, 2, 100)) + data[part.stop :]
    if kind == 6:
        return data[:place] + donor[random.randrange(len(donor) + 1) :]
    number = (
        struct.pack(random.choice("<>") + random.choice("BHIQ"), random.choice((0, 1)) or 0)
        if random.random() < 0.3
        else b"\xff" * random.choice((1, 2, 4, 8))
    )
    return data[:place] + number + data[place + len(number) :]


def _text(data: bytes, donor: bytes, random: Random) -> bytes:
    """Change tokens or lines: drop, repeat, swap, replace by others, by odd numbers or by odd texts."""
    text, other = (raw.decode("utf-8", "surrogateescape") for raw in (data, donor))
    lines = random.random() < 0.25
    parts = text.splitlines(keepends=True) if lines else _TOKEN.findall(text)
    theirs = (other.splitlines(keepends=True) if lines else _TOKEN.findall(other)) or [""]
    if not parts:
        return random.choice(ODDITIES).encode()
    at, part = random.randrange(len(parts)), _span(len(parts), random)
    kind = random.randrange(9)
    if kind == 0:
        del parts[part]
    elif kind == 1:
        parts[at:at] = parts[part] * random.choice((1, 1, 2, 50))
    elif kind == 2:
        to = random.randrange(len(parts))
        parts[at], parts[to] = parts[to], parts[at]
    elif kind == 3:
        parts[at] = random.choice(theirs)
    elif kind == 4:
        parts[at:at] = theirs[_span(len(theirs), random)]
    elif kind == 5:
        digits = [i for i, each in enumerate(parts) if each[:1].isdigit()]
        parts[random.choice(digits or [at])] = random.choice(NUMBERS)
    elif kind == 6:
        parts.insert(at, random.choice(ODDITIES))
    elif kind == 7:
        del parts[at:]
    else:
        parts[at:] = theirs[random.randrange(len(theirs)) :]
    return "".join(parts).encode("utf-8", "surrogateescape")


def _json(data: bytes, donor: bytes, random: Random) -> bytes:
    """Change a value of a JSON text, or its text."""
    if random.random() < 0.2:
        return _text(data, donor, random)
    return json.dumps(changed_value(json.loads(data), random)).encode()


def changed_value(value: Any, random: Random) -> Any:
    """Return plain JSON values with one of them replaced, removed, repeated, renamed or moved."""
    root = [deepcopy(value)]
    places: list[tuple[Any, Any]] = []
    queue: list[tuple[Any, Any]] = [(root, 0)]
    while queue and len(places) < 4000:
        holder, key = queue.pop()
        places.append((holder, key))
        inner = holder[key]
        queue += (
            [(inner, k) for k in inner] if isinstance(inner, dict) else [(inner, i) for i in range(len(inner))] if isinstance(inner, list) else []
        )
    holder, key = random.choice(places)
    other, there = random.choice(places)
    kind = random.randrange(6)
    if kind == 0 and holder is not root:
        del holder[key]
    elif kind == 1:
        holder[key] = deepcopy(other[there])
    elif kind == 2 and isinstance(holder, dict):
        holder[random.choice(("", "x", "name", "../x", "\x1b[1m", "=1", str(there)))] = holder.pop(key)
    elif kind == 3 and isinstance(holder[key], list):
        holder[key] = holder[key] * random.choice((2, 3, 40))
    elif isinstance(holder[key], int | float) and kind == 4:
        holder[key] = holder[key] * random.choice((-1, 2, 1000, 0.5)) + random.choice((-1, 0, 1))
    else:
        holder[key] = deepcopy(random.choice(VALUES))
    return root[0]


def _zip(data: bytes, donor: bytes, random: Random) -> bytes:
    """Change a member, add one of the donor's, or say of one what is not so."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()[:200] if info.file_size < 1 << 22}
    name = random.choice(sorted(members))
    kind = random.randrange(10)
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[random.choice(("../x", "/x", "", "x.npy", "a\x1b[1m.npy", name + "x"))] = members.pop(name)
    elif kind == 2:
        members[name] = bytes(random.choice((1, 1 << 20, 1 << 24)))
    else:
        with zipfile.ZipFile(io.BytesIO(donor)) as archive:
            theirs = archive.read(random.choice(archive.namelist()))
        members[name] = changed(name, members[name], theirs, random)
    buffer = io.BytesIO()
    method = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")
        for member, content in members.items():
            archive.writestr(zipfile.ZipInfo(member), content, method)  # of a fixed date: the same seed gives the same bytes
    packed = buffer.getvalue()
    return _bytes(packed, packed, random) if random.random() < 0.1 else packed


def _npy(data: bytes, donor: bytes, random: Random) -> bytes:
    """Change the header of an array as text, keeping its length right, or its numbers."""
    size = int.from_bytes(data[8:10], "little")
    header, numbers = data[10 : 10 + size], data[10 + size :]
    kind = random.randrange(6)
    if kind == 0:
        numbers = _bytes(numbers, numbers[::-1], random)
    elif kind == 1:
        header = re.sub(
            rb"'descr': '[^']*'",
            b"'descr': '%s'" % random.choice((b"|O", b"<f8", b">i2", b"<U4", b"<M8[s]", b"|V8", b"<c16", b"<f2", b"|b1", b"<u8", b"|S0")),
            header,
        )
    elif kind == 2:
        shape = random.choice(
            (
                b"()",
                b"(256,)",
                b"(0,)",
                b"(1000000000000,)",
                b"(-1, 5)",
                b"(256, 256)",
                b"(1,) * 99",
                b"(" + b"1," * 70 + b")",
                b"(99999999999999999999,)",
            )
        )
        header = re.sub(rb"'shape': \([^)]*\)", b"'shape': " + shape, header)
    else:
        header = _text(header, b"{'descr': [('a', '<i4')], 'fortran_order': True, 'shape': (2, 3), }", random)
    return data[:8] + len(header[:65535]).to_bytes(2, "little") + header[:65535] + numbers


def _safetensors(data: bytes, donor: bytes, random: Random) -> bytes:
    """Change the header of a file of tensors, and of the JSON that its metadata may hold, or its numbers."""
    size = int.from_bytes(data[:8], "little")
    header, numbers = json.loads(data[8 : 8 + size]), data[8 + size :]
    metadata = header.get("__metadata__", {})
    held = metadata.get("hawx") if isinstance(metadata, dict) else None
    kind = random.random()
    if held and kind < 0.7:
        metadata["hawx"] = json.dumps(changed_value(json.loads(held), random))
    elif kind < 0.9:
        header = changed_value(header, random)
    else:
        numbers = _bytes(numbers, donor, random)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if not data[at - 1] & 128:
            return value, at


def _as_varint(value: int) -> bytes:
    digits = []
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])


Field = tuple[int, int, bytes]
"""Number, wire type and content of a field; a varint's content is its bytes."""


def _fields(data: bytes) -> list[Field]:
    """Return the fields of a protobuf message; raises `ValueError` or `IndexError` where it is none."""
    at, found = 0, []
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 2:
            size, start = _varint(data, at)
        elif kind in (0, 1, 5):
            start, size = at, {0: _varint(data, at)[1] - at, 1: 8, 5: 4}[kind]
        else:
            raise ValueError("no message")
        at = start + size
        if not key >> 3 or at > len(data):
            raise ValueError("no message")
        found.append((key >> 3, kind, data[start:at]))
    return found


def _message(fields: Sequence[Field]) -> bytes:
    return b"".join(_as_varint(number << 3 | kind) + (_as_varint(len(content)) if kind == 2 else b"") + content for number, kind, content in fields)


def _protobuf(data: bytes, donor: bytes, random: Random, depth: int = 0) -> bytes:
    """Change a field somewhere in a message: its number, its type, its content; drop it, repeat it, or take one of the donor's."""
    fields = _fields(data)
    at = random.randrange(len(fields))
    number, kind, content = fields[at]
    what = random.randrange(14)
    if kind == 2 and content and what > 5 and depth < 12:
        try:
            fields[at] = (number, kind, _protobuf(content, donor, random, depth + 1))
            return _message(fields)
        except (ValueError, IndexError):
            pass  # a text or packed numbers
    if what == 0:
        del fields[at]
    elif what == 1:
        fields.insert(random.randrange(len(fields) + 1), fields[at])
    elif what == 2:
        to = random.randrange(len(fields))
        fields[at], fields[to] = fields[to], fields[at]
    elif what == 3:
        fields[at] = (1 + random.randrange(20), kind, content)
    elif what == 4 and depth == 0:
        fields.append(random.choice(_fields(donor)))
    elif kind == 0:
        fields[at] = (
            number,
            kind,
            _as_varint(random.choice((0, 1, 2, 3, 7, 11, 16, 127, 300, 1 << 20, 1 << 31, (1 << 63) - 1, (1 << 64) - 1, random.randrange(64)))),
        )
    elif kind == 2:
        texts = (b"", b"\xff\xfe", b"x", b"../x", b"Relu", b"Conv", b"Reshape", b"x" * 3000, b"\x1b[1m", content[::-1], content * 2)
        fields[at] = (number, kind, random.choice(texts) if random.random() < 0.5 else _bytes(content, donor, random))
    else:
        fields[at] = (number, kind, random.choice((bytes(len(content)), b"\xff" * len(content), random.randbytes(len(content)))))
    return _message(fields)


def _tar(data: bytes, donor: bytes, random: Random) -> bytes:
    """Change a member's content, name, kind or size."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = [(info, (archive.extractfile(info) or io.BytesIO()).read()) for info in archive.getmembers() if info.isfile()]
    at = random.randrange(len(members))
    info, content = members[at]
    kind = random.randrange(6)
    if kind == 0:
        info.name = random.choice(
            ("../../x.png", "/x.png", "a/\x1b[1m.png", "0/" + "y" * 300 + ".png", "", "1/x.png", "٣_x.png", "9" * 30 + "_x.png")
        )
    elif kind == 1:
        info.type = random.choice((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE))
        info.linkname = random.choice(("/etc/passwd", "../x", info.name, ""))
    elif kind == 2:
        del members[at]
    else:
        members[at] = (info, changed(info.name, content, members[-1][1], random))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for each, held in members:
            each.size = len(held) if each.type == tarfile.REGTYPE else 0
            archive.addfile(each, io.BytesIO(held))
    return buffer.getvalue()


def _gzip(data: bytes, donor: bytes, random: Random) -> bytes:
    plain = gzip.decompress(data)
    if random.random() < 0.1:
        return gzip.compress(bytes(1 << 22) * random.choice((1, 20)), 1, mtime=0)
    return gzip.compress(changed("", plain, donor, random), 1, mtime=0)


def _ends(*suffixes: str) -> Callable[[str, bytes], bool]:
    return lambda name, _: name.endswith(suffixes)


_FORMS: tuple[tuple[Callable[[str, bytes], bool], Callable[[bytes, bytes, Random], bytes]], ...] = (
    (lambda _, data: data.startswith(b"PK\x03\x04"), _zip),
    (lambda _, data: data.startswith(b"\x93NUMPY"), _npy),
    (lambda _, data: data.startswith(b"\x1f\x8b"), _gzip),
    (lambda _, data: data[257:262] == b"ustar", _tar),
    (_ends(".safetensors", ".checkpoint"), _safetensors),
    (_ends(".onnx"), _protobuf),
    (_ends(".json"), _json),
    (_ends(".v", ".c", ".lib", ".h", ".csv", ".toml", ".txt"), _text),
)
"""What a file is made of, by its first bytes or its name -> how to change it."""
