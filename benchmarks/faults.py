"""Does a run survive? Runs are killed at random and at chosen moments, go on, and must end as if nothing had happened.

    python -m benchmarks.faults --kills 200

SIGKILL, SIGTERM and SIGINT reach a run of `hawx explore` (in one process and with `--jobs 2`) or of `hawx finetune`, its process group, or one of
its workers: at a random moment, in a stage, or exactly when it touches a file or stores a measurement. Of every session is asked that it left as it
should (exit status, one line, no traceback, no process left), that what was stored before is stored still, and that none of it was measured again; of
the last one that front, measurements and files are those of an undisturbed run, to the byte where they hold no times.

Real processes run the real command; `observe` only lets them write down what Python's audit hooks and SQLite's trace report. Most are forked from
one that has imported PyTorch already, so that kills spread over what a run does instead of over imports.
`tests/faults` runs the short form.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

BLOCKS = ("--blocks", "mul8s_ot3,mul8s_tc8")
EXPLORE = ("explore", "--budget", "10", "--search-images", "400", "--report-images", "200", "--seed", "3", "--jobs", "1", *BLOCKS)
FINETUNE = ("--search-images", "300", "--report-images", "200", "--recover", "none", *BLOCKS)
TRAINING = ("--train-images", "600", "--epochs", "3", "--batch", "50", "--rate", "0.2")
LAYERS = ("conv1", "conv2", "fc1", "fc2", "fc3")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
STATUS = {signal.SIGKILL: {-signal.SIGKILL}, signal.SIGTERM: {143, -signal.SIGTERM}, signal.SIGINT: {130, -signal.SIGINT}}
"""What a session ends with; by the signal itself where it comes before the command has begun."""
SECONDS = 120.0
"""No session takes so long."""


def observe(log: str, touch: str, number: int, command: Sequence[str]) -> int:
    """Run `hawx` with the arguments `command`, write what it does to files and stores to `log`, and get signal `number` at `touch`, if any."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    folder = str(Path(command[command.index("--out") + 1]))
    opened: list[sqlite3.Connection] = []
    stores = 0

    def touched(what: str, known_as: str) -> None:
        os.write(out, f"{what}\n".encode())
        if known_as == touch:
            os.kill(os.getpid(), number)

    def stored(statement: str) -> None:
        nonlocal stores
        if statement.startswith("INSERT INTO measurements"):
            stores += 1
            touched("store " + " ".join(re.findall(r"'([^']*)'", statement)[:4]), f"store {stores}")

    def hook(event: str, values: tuple[Any, ...]) -> None:
        if event == "sqlite3.connect/handle":
            opened.append(values[0])  # not usable yet
            return
        while opened:
            with suppress(sqlite3.ProgrammingError):  # closed meanwhile
                opened.pop().set_trace_callback(stored)
        if event in ("open", "os.rename", "os.remove", "os.mkdir") and isinstance(values[0], str | os.PathLike):
            path = os.fspath(values[0])
            writes = event != "open" or (isinstance(values[2], int) and values[2] & (os.O_WRONLY | os.O_RDWR))
            if writes and isinstance(path, str) and path.startswith(folder):
                what = f"{event} {re.sub(r'[.][0-9]+[.]tmp$', '.tmp', path[len(folder) + 1 :]) or '/'}"
                touched(what, what)

    sys.addaudithook(hook)
    from hawx.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    return main(command)


def serve() -> None:
    """Start a session for every request on standard input, from a process that has imported everything; answer its number, then its status."""
    from hawx import flow  # noqa: F401  what a session would import
    from hawx.finetuning import training  # noqa: F401
    from hawx.importers import networks  # noqa: F401
    from hawx.store import run  # noqa: F401

    for line in sys.stdin:
        request = json.loads(line)
        errors = os.open(request.pop("errors"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        if not (pid := os.fork()):
            os.setsid()
            for place, end in ((os.open(os.devnull, os.O_RDWR), 0), (os.open(os.devnull, os.O_RDWR), 1), (errors, 2)):
                os.dup2(place, end)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # who starts in the background passes it on ignored
            if request.pop("fresh"):
                os.execv(sys.executable, [sys.executable, "-m", "benchmarks.faults", "observe", json.dumps(request)])
            status = 1
            try:
                status = observe(**request)
            except KeyboardInterrupt:  # before the command has begun
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                os.kill(os.getpid(), signal.SIGINT)
            finally:
                os._exit(status)
        os.close(errors)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to one session."""

    signal: signal.Signals
    target: str
    """`parent`, `group` (as a terminal's Ctrl-C and a batch system do) or `worker`."""
    stage: str | None = None
    """Counted from the beginning of this stage; None: of the session."""
    after: float = 0.0
    """Seconds."""
    touch: str = ""
    """Instead: at this touch of a file, or at the store of a number."""
    fresh: bool = False
    """Whether the session is a new interpreter, which imports all that it needs."""

    @property
    def how(self) -> str:
        return "at a touch of a file" if self.touch else "in a stage" if self.stage else "at random"


@dataclass(slots=True, kw_only=True)
class Session:
    """One process and what became of it."""

    status: int
    errors: str
    stages: dict[str, float]
    """When each began, in seconds since the start."""
    wall_s: float
    touches: list[str]
    pid: int

    def hit_by(self, fault: Fault) -> bool:
        """Whether the fault came while it still ran."""
        return "died" in self.errors if fault.target == "worker" else self.status != 0

    @property
    def stage(self) -> str:
        """Where it was when it ended: its last stage, or the file that it was writing."""
        files = [name for name in self.touches if not name.startswith("store") and (".tmp" in name or "sqlite" in name)]
        after = list(self.stages)[-1] if self.stages else "start"
        wrote = re.search(r"(result|report|scores|front|design|network|inputs|settings)[^ ]*\.tmp$", files[-1]) if files else None
        last = bool(self.touches) and self.touches[-1] == (files[-1] if files else None)
        return f"writing {wrote[0].removesuffix('.tmp')}" if wrote and last else after


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A command that is disturbed, and what tells that it ended well."""

    name: str
    command: tuple[str, ...]
    resumable: Callable[[Path], bool]
    """Whether what a folder holds can go on."""
    outcome: Callable[[Path], dict[str, Any]]
    """All that must be as in an undisturbed run."""
    finished: Callable[[Path], bool] = lambda folder: False
    """Whether a folder holds a run that has ended and cannot go on."""

    def line(self, folder: Path) -> list[str]:
        return [*self.command, "--out", str(folder), *(["--resume"] if self.resumable(folder) else [])]


def subjects(scratch: Path) -> dict[str, Subject]:
    """Return what is disturbed, by name."""
    design = scratch / "design.json"
    design.write_text(json.dumps(dict.fromkeys(LAYERS, "mul8s_tc8")), encoding="utf-8")
    alone = Subject(name="explore", command=EXPLORE, resumable=lambda folder: (folder / "settings.toml").exists(), outcome=explored)
    jobs = Subject(name="explore --jobs 2", command=(*EXPLORE, "--jobs", "2"), resumable=alone.resumable, outcome=explored)

    def done(folder: Path) -> bool:
        return (folder / "design.json").exists() and not (folder / "network.checkpoint").exists()

    command = ("finetune", str(design), *FINETUNE, *TRAINING)
    tuned = Subject(
        name="finetune", command=command, resumable=lambda folder: (folder / "network.checkpoint").exists(), outcome=finetuned, finished=done
    )
    return {each.name: each for each in (alone, jobs, tuned)}


def rows(folder: Path) -> set[tuple[Any, ...]]:
    """Return all measurements of a run; none where there is no store yet."""
    if not (folder / "run.sqlite").exists():
        return set()
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection:
        try:
            return set(connection.execute("SELECT * FROM measurements"))
        except sqlite3.OperationalError:  # it is being made
            return set()


def explored(folder: Path) -> dict[str, Any]:
    """Return what an exploration found."""
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    binary = {path.name: path.read_bytes() for path in sorted(folder.rglob("*.safetensors"))}
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in ("front.csv", "scores.csv", "settings.toml", "inputs.json")}
    texts["settings.toml"] = re.sub("(?m)^#?.*jobs.*$", "", texts["settings.toml"])
    report = (folder / "report.html").read_text(encoding="utf-8")
    return {
        "front": result["front"],
        "evaluated": result["evaluated"],
        "measurements": rows(folder),
        "networks": binary,
        **texts,
        "a whole report": report.rstrip().endswith("</html>") and all(design["id"] in report for design in result["front"]),
        "files": names(folder),
    }


def finetuned(folder: Path) -> dict[str, Any]:
    """Return what a fine-tuning found."""
    design = json.loads((folder / "design.json").read_text(encoding="utf-8"))
    facts = {key: value for key, value in design["finetuning"].items() if key != "seconds_per_epoch"}
    return {"network": (folder / "network.safetensors").read_bytes(), **design, "finetuning": facts, "files": names(folder)}


def names(folder: Path) -> list[str]:
    """Return the files of a folder: no draft of a killed writer stays. Its lock may, which is none once the process is gone."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != ".lock")


class Sessions:
    """Starts sessions, one at a time."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}
        command = [sys.executable, "-m", "benchmarks.faults", "serve"]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)

    def __enter__(self) -> Sessions:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate(timeout=SECONDS)

    def run(self, subject: Subject, folder: Path, fault: Fault | None = None) -> Session:
        """Run the command once, with `fault` happening to it."""
        log, errors = folder.with_suffix(".log"), folder.with_suffix(".err")
        log.unlink(missing_ok=True)
        fresh = "--jobs" in subject.command or (fault is not None and fault.fresh)
        request = {"log": str(log), "touch": fault.touch if fault else "", "number": int(fault.signal) if fault else 0}
        request |= {"command": subject.line(folder), "errors": str(errors), "fresh": fresh}
        began = time.monotonic()
        server = self._server
        if server.stdin is None or server.stdout is None:
            raise RuntimeError("the server of sessions has no pipes")
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        pid = int(server.stdout.readline())
        stages: dict[str, float] = {}
        seen: float | None = None  # when there were workers first
        status = None
        while status is None and time.monotonic() - began < SECONDS:
            if select.select([server.stdout], [], [], 0.004)[0]:
                status = int(server.stdout.readline())
                break
            for name in re.findall(r"(?m)^hawx +[\d.]+ s  (\w[\w-]*)(?: \(up.*)?$", errors.read_text(encoding="utf-8")):
                stages.setdefault(name, time.monotonic() - began)
            if fault is None or fault.touch or fault.stage not in {None, *stages}:
                continue
            workers = _workers(pid) if fault.target == "worker" else [pid]
            seen = time.monotonic() if seen is None and workers and fault.target == "worker" else seen
            since = seen if fault.target == "worker" else began + (stages[fault.stage] if fault.stage else 0.0)
            if since is not None and workers and time.monotonic() >= since + fault.after:
                with suppress(ProcessLookupError):
                    (os.killpg if fault.target == "group" else os.kill)(workers[-1], fault.signal)
                fault = None
        said = errors.read_text(encoding="utf-8")
        touches = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        if status is None:
            os.killpg(pid, signal.SIGKILL)
            raise RuntimeError(f"a session of {subject.name} does not end: {said}")
        return Session(status=status, errors=said, stages=stages, wall_s=time.monotonic() - began, touches=touches, pid=pid)


def _workers(parent: int) -> list[int]:
    """Return the processes that measure: those that the server of a process has forked."""

    def children(pid: int) -> list[int]:
        try:
            return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]
        except OSError:
            return []

    return [worker for server in children(parent) for worker in children(server)]


def leftovers(session: int) -> list[int]:
    """Return the processes of a session that are still there: workers must not outlive their parent."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An undisturbed run."""

    session: Session
    outcome: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Tally:
    """What happened to how many."""

    kills: int = 0
    sessions: int = 0
    where: Counter[str] = field(default_factory=Counter)
    signals: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    """Measurements that a session found in the store, none of which it took again."""
    cut: int = 0
    """Measurements that a kill cut off before they were stored, and that were taken again."""
    problems: list[str] = field(default_factory=list)


def faults(subject: Subject, reference: Reference, rng: random.Random, count: int) -> list[Fault]:
    """Draw `count` faults: a quarter at random moments, a quarter in stages, the others at touches of files."""
    session = reference.session
    spans = dict(zip(session.stages, [*list(session.stages.values())[1:], session.wall_s], strict=True))
    files = sorted({touch for touch in session.touches if not touch.startswith("store")})
    drawn = []
    for _ in range(count):
        number, target, fresh = rng.choice(SIGNALS), rng.choice(("parent", "group")), rng.random() < 0.1
        if "--jobs" in subject.command and rng.random() < 0.4:
            drawn.append(Fault(signal=signal.SIGKILL, target="worker", after=rng.uniform(0.0, 0.4)))
            continue
        kind = rng.randrange(4)
        if kind == 0:
            drawn.append(Fault(signal=number, target=target, after=rng.uniform(0.0, 0.7 * session.wall_s), fresh=fresh))
        elif kind == 1:
            stage = rng.choice(list(spans))
            after = rng.uniform(0.0, 0.6 * (spans[stage] - session.stages[stage]))
            drawn.append(Fault(signal=number, target=target, stage=stage, after=after, fresh=fresh))
        elif subject.command[0] == "explore" and rng.random() < 0.25:
            drawn.append(Fault(signal=signal.SIGKILL, target="parent", touch=f"store {rng.randint(1, 4)}", fresh=fresh))
        else:
            drawn.append(Fault(signal=number, target="parent", touch=rng.choice(files), fresh=fresh))
    return drawn


def survive(sessions: Sessions, subject: Subject, reference: Reference, folder: Path, planned: Sequence[Fault], tally: Tally) -> None:
    """Let a run meet one fault after the other in `folder`, then end it, and note in `tally` whatever is not as it should be."""
    for fault in (*planned, None):
        if subject.finished(folder):
            fault = None
        else:
            before = rows(folder)
            session = sessions.run(subject, folder, fault)
            tally.sessions += 1
            after = rows(folder)
            problems = _check(session, fault, before, after)
            tally.kept += len(before)
            tally.cut += len({line for line in session.touches if line.startswith("store ")} - {f"store {' '.join(row[:4])}" for row in after})
            if fault is not None and session.hit_by(fault):
                tally.kills += 1
                tally.where[f"{session.stage} (a worker)" if fault.target == "worker" else session.stage] += 1
                tally.signals[f"{fault.signal.name} {fault.target} {fault.how}"] += 1
                problems += _outlived(session)
            tally.problems += [f"{subject.name}, {fault}: {problem}; it said {session.errors[-400:]!r}" for problem in problems]
        if fault is None:
            break
    found = subject.outcome(folder)
    wrong = [key for key, value in reference.outcome.items() if found.get(key) != value]
    tally.problems += [f"{subject.name}, {planned}: {key} differs from the undisturbed run's" for key in wrong]


def _outlived(session: Session) -> list[str]:
    """Return, in words, that processes of a session are still there some seconds after it was killed."""
    for _ in range(200):
        if not leftovers(session.pid):
            return []
        time.sleep(0.1)
    return [f"{len(leftovers(session.pid))} of its processes stay"]


def _check(session: Session, fault: Fault | None, before: set[tuple[Any, ...]], after: set[tuple[Any, ...]]) -> list[str]:
    """Return what is wrong with one session, in words."""
    problems = []
    allowed = {0} if fault is None else {0, 2} if fault.target == "worker" else {0, *STATUS[fault.signal]}
    if session.status not in allowed:
        problems.append(f"it ended with {session.status}, not one of {sorted(allowed)}")
    if "Traceback" in session.errors and session.stages:
        problems.append("it ended with a traceback")
    if session.status > 0 and not session.errors.rstrip().rpartition("\n")[2].startswith("hawx: "):
        problems.append("its last line does not say why it left")
    if lost := before - after:
        problems.append(f"{len(lost)} measurements are lost")
    known = {row[:4] for row in before}
    again = [line for line in session.touches if line.startswith("store ") and tuple(line.split()[1:]) in known]
    if again:
        problems.append(f"{len(again)} measurements were taken again")
    return problems


def undisturbed(sessions: Sessions, subject: Subject, folder: Path) -> Reference:
    """Run a subject to its end."""
    session = sessions.run(subject, folder)
    if session.status:
        raise RuntimeError(f"{subject.name} fails undisturbed: {session.errors}")
    return Reference(session=session, outcome=subject.outcome(folder))


def campaign(scratch: Path, shares: dict[str, int], *, seed: int, chain: int = 4, say: Callable[[str], None] = lambda _: None) -> Tally:
    """Return what became of runs in `scratch` that met so many kills per subject, up to `chain` of them each."""
    rng, tally, every = random.Random(seed), Tally(), subjects(scratch)
    with Sessions() as sessions:
        for name, wanted in shares.items():
            subject, stem = every[name], name.replace(" --", "-").replace(" ", "-")
            reference = undisturbed(sessions, subject, scratch / f"{stem}-whole")
            goal, run, told = tally.kills + wanted, 0, len(tally.problems)
            while tally.kills < goal and len(tally.problems) < 10:
                planned = faults(subject, reference, rng, min(chain, goal - tally.kills))
                survive(sessions, subject, reference, scratch / f"{stem}-{run}", planned, tally)
                run += 1
                say("\n".join([f"{name}: {tally.kills - goal + wanted} of {wanted} kills in {run} runs", *tally.problems[told:]]))
                told = len(tally.problems)
    return tally


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Kill runs at any moment; each must end as if nothing had happened.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--save", metavar="NAME", help="also write the figures to benchmarks/results/NAME.json")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    shares = {"finetune": options.kills * 3 // 10, "explore --jobs 2": options.kills // 10}
    shares["explore"] = options.kills - sum(shares.values())
    with TemporaryDirectory(prefix="hawx-faults-") as scratch:
        tally = campaign(Path(scratch), shares, seed=options.seed, say=lambda text: print(text, file=sys.stderr, flush=True))
    figures = {"seed": options.seed, "shares": shares, "seconds": round(time.monotonic() - began), **asdict(tally)}
    if options.json:
        print(json.dumps(figures, indent=1))
    else:
        print(f"{tally.kills} kills in {tally.sessions} sessions, {figures['seconds']} s, seed {options.seed}")
        for title, counted in (("where", tally.where), ("how", tally.signals)):
            print(f"{title}: " + ", ".join(f"{name} {count}" for name, count in sorted(counted.items())))
        print(f"{tally.kept} measurements were found stored and not taken again; {tally.cut} were cut off and taken again")
        print("\n".join(tally.problems) or "every run ended as the undisturbed one: nothing lost, nothing measured twice")
    if options.save:
        from benchmarks.common import save

        print(f"written to {save(options.save, figures)}", file=sys.stderr)
    return 1 if tally.problems else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
    elif sys.argv[1:2] == ["observe"]:
        sys.exit(observe(**json.loads(sys.argv[2])))
    else:
        sys.exit(main())
