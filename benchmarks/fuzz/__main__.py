"""Try every reader on hostile files: each must be read, or refused by our own error in one line, within 5 seconds and 1 GB.

    python -m benchmarks.fuzz --inputs 1000000                  all readers, about the same time for each
    python -m benchmarks.fuzz --reader onnx --inputs 20000      one of them
    python -m benchmarks.fuzz --reader onnx --replay FOLDER     one kept finding again

Inputs are changed copies of small files (`mutation.py`), made from the seed, the reader's name and their number: a finding comes again with the
same command. With the package `atheris` and `--guided` they are chosen by the code that they reach, instead. Findings are kept in `--keep`,
one of each kind, and printed; the exit status is 1 where there are any.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from benchmarks.fuzz import guided
from benchmarks.fuzz.mutation import mutate
from benchmarks.fuzz.readers import READERS, Reader, write
from benchmarks.fuzz.trial import MEMORY, READ, REFUSED, SECONDS, attempt, limit_memory, limit_time, place

BATCH_SECONDS = 8.0
"""A child process tries inputs for so long: a fresh one has no memory of those before."""


@dataclass
class Tally:
    """What became of the inputs of one reader."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: dict[str, str] = field(default_factory=dict)
    """What is wrong -> where the first such input is kept."""
    seconds: float = 0.0
    slowest: float = 0.0
    next: int = 0

    @property
    def inputs(self) -> int:
        return self.counts.total()


def batch(reader: Reader, seed: int, first: int, last: int, folder: Path, seconds: float) -> None:
    """Try the inputs `first` to `last`, at most for `seconds`, and write a line for each into the file `log` of `folder`; ends the process."""
    limit_memory()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    seeds = reader.seeds()
    until = time.monotonic() + seconds
    with (folder / "log").open("w", buffering=1, encoding="utf-8") as log:
        for number in range(first, last):
            random = Random(f"{seed} {reader.name} {number}")
            case = mutate(random.choice(seeds), seeds, random) if number >= len(seeds) else seeds[number]
            began = time.monotonic()
            with limit_time():
                said = attempt(reader, case, folder / "trial")
            log.write(json.dumps([number, time.monotonic() - began, said]) + "\n")
            if time.monotonic() > until:
                break


def run(reader: Reader, tally: Tally, seed: int, last: int, keep: Path) -> None:
    """Try a batch in a child process and add what it found to `tally`."""
    began = time.monotonic()
    with place() as folder:
        (folder / "trial").mkdir()
        child = os.fork()
        if child == 0:
            try:
                batch(reader, seed, tally.next, last, folder, BATCH_SECONDS)
            except BaseException:  # noqa: BLE001  a defect of this program: shown, and counted as a finding
                traceback.print_exc()
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        lines = (folder / "log").read_text(encoding="utf-8").splitlines() if (folder / "log").exists() else []
        entries = [json.loads(line) for line in lines if line.endswith("]")]
        for number, seconds, said in entries:
            tally.counts[said if said in (READ, REFUSED) else "finding"] += 1
            tally.slowest = max(tally.slowest, seconds)
            if said not in (READ, REFUSED) and _kind(said) not in {_kind(other) for other in tally.findings}:
                tally.findings[said] = _keep(reader, seed, number, keep)
        tally.next = entries[-1][0] + 1 if entries else tally.next
        if os.WIFSIGNALED(status) or not entries:
            cause = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            said = (
                f"takes longer than {SECONDS} s"
                if cause == signal.SIGALRM
                else f"ends the process ({signal.Signals(cause).name if cause else 'no signal'})"
            )
            tally.counts["finding"] += 1
            if said not in tally.findings:
                tally.findings[said] = _keep(reader, seed, tally.next, keep)
            tally.next += 1
    tally.seconds += time.monotonic() - began


def _kind(said: str) -> str:
    return re.sub(r"\d+", "#", said.partition(": ")[0])


def _keep(reader: Reader, seed: int, number: int, keep: Path) -> str:
    """Write the files of an input and return their folder."""
    folder = keep / f"{reader.name}-{seed}-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    seeds, random = reader.seeds(), Random(f"{seed} {reader.name} {number}")
    write(mutate(random.choice(seeds), seeds, random) if number >= len(seeds) else seeds[number], folder)
    return str(folder)


def replay(reader: Reader, source: Path) -> str:
    """Return what becomes of a kept input, in this process."""
    case = {path.relative_to(source).as_posix(): path.read_bytes() for path in source.rglob("*") if path.is_file()}
    with place() as folder, limit_time():
        return attempt(reader, case, folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000, help="how many in all [default: 10,000]")
    parser.add_argument("--reader", action="append", choices=list(READERS), help="try only this one; may be repeated")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), metavar="DIR", help="where findings go [default: build/fuzz]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    parser.add_argument("--guided", action="store_true", help="let atheris choose inputs by the code that they reach (pip install atheris)")
    parser.add_argument("--replay", type=Path, metavar="DIR", help="try a kept input again, with --reader")
    given = parser.parse_args(arguments)
    readers = [READERS[name] for name in given.reader or READERS]
    if given.replay is not None:
        print(replay(readers[0], given.replay))
        return 0
    os.environ["HAWX_CACHE"] = str(given.keep / "cache")
    tallies = {reader.name: Tally() for reader in readers}
    least, began = min(200, given.inputs // len(readers)), time.monotonic()
    share = max(least, given.inputs // (4 * len(readers)))
    if given.guided:
        for reader in readers:
            guided.run(reader, tallies[reader.name], given.inputs // len(readers), given.seed, given.keep)
    else:
        warm(readers)
        while (left := given.inputs - sum(tally.inputs for tally in tallies.values())) > 0:
            reader = min(readers, key=lambda each: (tallies[each.name].inputs >= least, tallies[each.name].seconds))
            tally = tallies[reader.name]
            before = dict(tally.findings)
            run(reader, tally, given.seed, tally.next + min(left, least if tally.inputs < least else share), given.keep)
            for said, where in tally.findings.items():
                if said not in before:
                    print(f"FINDING {reader.name}: {said}\n        {where}", flush=True)
    report(tallies, time.monotonic() - began, given.seed, given.json)
    return 1 if any(tally.findings for tally in tallies.values()) else 0


def warm(readers: Sequence[Reader]) -> None:
    """Make the seeds and read them once, so that children begin with all that is imported."""
    for reader in readers:
        for case in reader.seeds():
            with place() as folder:
                attempt(reader, case, folder)


def report(tallies: dict[str, Tally], seconds: float, seed: int, target: Path | None) -> None:
    """Print a line for each reader, and write the same as JSON."""
    print(f"{'reader':20} {'inputs':>9} {'read':>8} {'refused':>9} {'slowest s':>9} {'findings':>8}")
    for name, tally in tallies.items():
        counts = tally.counts
        print(f"{name:20} {tally.inputs:9,} {counts[READ]:8,} {counts[REFUSED]:9,} {tally.slowest:9.2f} {counts['finding']:8,}")
    total = sum(tally.inputs for tally in tallies.values())
    wrong = sum(tally.counts["finding"] for tally in tallies.values())
    limits = f"within {SECONDS} s and {MEMORY >> 30} GB"
    print(f"{total:,} inputs in {seconds:,.0f} s, seed {seed}: {wrong:,} findings (neither read nor refused in one line, {limits})")
    if target is not None:
        figures = {name: {"inputs": t.inputs, **t.counts, "slowest_s": round(t.slowest, 3), "kinds": list(t.findings)} for name, t in tallies.items()}
        target.write_text(
            json.dumps({"inputs": total, "findings": wrong, "seconds": round(seconds), "seed": seed, "readers": figures}, indent=1) + "\n"
        )


if __name__ == "__main__":
    sys.exit(main())
