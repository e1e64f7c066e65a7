"""Files: whole or absent, checked before they are read; a cache never stops anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from hawx.errors import InputError
from hawx.files import cache_folder, make_folder, read_bytes, read_cached, read_text, replacing, write_cached, write_text


def test_a_file_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "first")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hawx.files.os.fsync", refuse)
    with pytest.raises(InputError, match=r"^file '.*a\.txt' cannot be written \(No space left on device\); expected room on its disk\. Free some, "):
        write_text(target, "second")
    assert target.read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_an_error_on_the_way_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def broken() -> None:
        with replacing(target) as draft:
            draft.write_bytes(b"half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.bin", b"old")]


def test_lines_end_as_they_were_written(tmp_path: Path) -> None:
    write_text(tmp_path / "a.csv", "é\r\n1\n")
    assert (tmp_path / "a.csv").read_bytes() == b"\xc3\xa9\r\n1\n"


def test_sizes_and_text_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "a.v"
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"^circuit '.*a\.v' has 0 bytes; expected 1 to 9\.$"):
        read_bytes(path, "circuit", most=9)
    assert read_text(path, "circuit", least=0) == ""
    path.write_bytes(b"one\ntwo\n\xff")
    with pytest.raises(InputError, match=r"^circuit '.*a\.v' line 3 is not UTF-8 text; expected a text file\.$"):
        read_text(path, "circuit")
    with pytest.raises(InputError, match=r"^circuit '.*' is not a regular file; expected one\.$"):
        read_text(tmp_path, "circuit")


def test_a_cache_is_never_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAWX_CACHE", str(tmp_path / "own"))
    path = cache_folder() / "kind" / "key.json"
    assert path.parents[1] == tmp_path / "own"
    assert read_cached(path) is None
    write_cached(path, {"a": [1.5, None]})
    assert read_cached(path) == {"a": [1.5, None]}
    for damage in ("{", "[1]", ""):
        path.write_text(damage)
        assert read_cached(path) is None
    write_cached(path / "below a file" / "x.json", {})


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"^run folder '.*file' cannot be made \(File exists\); expected a writable place\. Choose another --out\.$"):
        make_folder(tmp_path / "file", "run folder")
