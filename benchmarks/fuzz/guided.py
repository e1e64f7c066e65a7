"""Inputs chosen by the code that they reach: libFuzzer through the package atheris, with the mutations of `mutation.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from importlib import util
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.fuzz.__main__ import Tally
    from benchmarks.fuzz.mutation import Case
    from benchmarks.fuzz.readers import Reader


def pack(case: Case) -> bytes:
    """Return the files of a case as one text of bytes."""
    head = json.dumps([[name, len(content)] for name, content in case.items()]).encode()
    return len(head).to_bytes(4, "little") + head + b"".join(case.values())


def unpack(data: bytes) -> Case:
    """Return what `pack` packed; raises `ValueError` where it is not that."""
    size = int.from_bytes(data[:4], "little")
    case, at = {}, 4 + size
    for name, length in json.loads(data[4:at]):
        case[name] = data[at : at + length]
        at += length
    return case


def run(reader: Reader, tally: Tally, inputs: int, seed: int, keep: Path) -> None:
    """Try `inputs` inputs in a process of their own and add what became of them to `tally`."""
    if util.find_spec("atheris") is None:
        sys.exit("--guided needs the package atheris, which is not installed; run `pip install atheris`, or leave --guided out.")
    keep.mkdir(parents=True, exist_ok=True)
    said = keep / f"{reader.name}-guided.json"
    said.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fuzz.guided", reader.name, str(inputs), str(seed), str(keep), str(said)],
        check=False,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(said.read_text()) if said.exists() else {"counts": {}, "findings": {}, "slowest": 0.0}
    tally.counts, tally.findings, tally.slowest = Counter(found["counts"]), found["findings"], found["slowest"]
    if done.returncode:
        tally.counts["finding"] += 1
        tally.findings[f"ends the process (status {done.returncode}): {done.stderr[-300:]}"] = str(keep / f"{reader.name}-guided-input")


def main(name: str, inputs: int, seed: int, keep: Path, target: Path) -> None:
    """Fuzz one reader; libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["hawx"]):
        from benchmarks.fuzz.readers import READERS, write
        from benchmarks.fuzz.trial import READ, REFUSED, attempt, limit_memory, limit_time, place

        reader = READERS[name]
        seeds = reader.seeds()
        with place() as folder:
            for case in seeds:
                attempt(reader, case, folder)
    import time

    from benchmarks.fuzz.mutation import mutate

    corpus = keep / f"{name}-corpus"
    corpus.mkdir(exist_ok=True)
    for number, case in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(pack(case))
    counts: Counter[str] = Counter()
    findings: dict[str, str] = {}
    slowest, calls = 0.0, 0
    limit_memory()

    def change(data: bytes, most: int, number: int) -> bytes:
        random = Random(number)
        try:
            case = unpack(data)
        except ValueError:
            case = random.choice(seeds)
        return pack(mutate(case or random.choice(seeds), seeds, random))[:most]

    def one(data: bytes) -> None:
        nonlocal slowest, calls
        calls += 1
        try:
            case = unpack(data)
        except (ValueError, TypeError):
            case = {}
        (keep / f"{name}-guided-input").write_bytes(data)
        began = time.monotonic()
        with place() as folder, limit_time():
            said = attempt(reader, case, folder)
        slowest = max(slowest, time.monotonic() - began)
        counts[said if said in (READ, REFUSED) else "finding"] += 1
        kind = said.partition(": ")[0]
        if said not in (READ, REFUSED) and kind not in {other.partition(": ")[0] for other in findings}:
            kept = keep / f"{name}-guided-{len(findings)}"
            write(case, kept)
            findings[said] = str(kept)
        if calls % 50 == 0 or calls >= inputs:
            target.write_text(json.dumps({"counts": counts, "findings": findings, "slowest": slowest}))

    most = max(len(pack(case)) for case in seeds) * 4 + 200_000
    atheris.Setup(
        [sys.argv[0], f"-runs={inputs}", f"-seed={seed + 1}", f"-max_len={most}", "-len_control=0", "-timeout=60", "-rss_limit_mb=0", str(corpus)],
        one,
        custom_mutator=change,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))
