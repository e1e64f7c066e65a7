"""A real Dask cluster whose machines come and go: workers in network namespaces, with addresses of their own, beside a real scheduler."""

from __future__ import annotations

import gc
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from benchmarks.faults import EXPLORE, explored

from conftest import explored as explore
from hawx.blocks.families import builtin_library
from hawx.cli import main
from hawx.designs import Assignment
from hawx.emulate.evaluator import Answers
from hawx.errors import InputError
from hawx.execution import runner_for
from hawx.networks import zoo
from hawx.runner import Runner
from hawx.verify import Shard, Task

distributed = pytest.importorskip("distributed", reason="the package distributed is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),  # sockets that Dask lost
]

QUICK = {  # how soon a machine that says nothing counts as gone
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "6s",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "10",
    "OMP_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
}


class Cluster:
    """A scheduler of this machine and workers in namespaces on one bridge."""

    def __init__(self, folder: Path) -> None:
        number = os.getpid()
        self.folder, self.bridge, self.net = folder, f"hwb{number % 100000}", f"10.213.{number % 250}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.port = 0
        self.names: list[str] = []
        self.ip("link", "add", self.bridge, "type", "bridge")
        self.ip("addr", "add", f"{self.net}.1/24", "dev", self.bridge)
        self.ip("link", "set", self.bridge, "up")

    @staticmethod
    def ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    @property
    def address(self) -> str:
        return f"tcp://{self.net}.1:{self.port}"

    def schedule(self) -> None:
        """Start the scheduler, on the port that it had."""
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        line = ["--host", f"{self.net}.1", "--port", str(self.port), "--dashboard-address", ":0", "--scheduler-file", str(file)]
        self.start("scheduler", [sys.executable, "-m", "distributed.cli.dask_scheduler", *line])
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (file.exists() and file.read_text().endswith("}")):
            time.sleep(0.05)
        self.port = int(file.read_text().partition(f"{self.net}.1:")[2].partition('"')[0])

    def join(self, number: int, *more: str) -> None:
        """Start a worker in a namespace of its own."""
        name, link = f"{self.bridge}n{number}", f"{self.bridge}v{number}"
        if name not in self.names:
            self.names.append(name)
            self.ip("netns", "add", name)
            self.ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
            self.ip("link", "set", link, "master", self.bridge, "up")
            self.ip("-n", name, "addr", "add", f"{self.net}.{10 + number}/24", "dev", "eth0")
            self.ip("-n", name, "link", "set", "eth0", "up")
            self.ip("-n", name, "link", "set", "lo", "up")
        line = [
            "--nthreads",
            "1",
            "--no-nanny",
            "--no-dashboard",
            "--memory-limit",
            "0",
            "--local-directory",
            str(self.folder / name),
            "--death-timeout",
            "60",
        ]
        self.start(name, ["ip", "netns", "exec", name, sys.executable, "-m", "distributed.cli.dask_worker", self.address, *line, *more])

    def start(self, name: str, line: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(line, stdout=log, stderr=log, env={**os.environ, **QUICK}, start_new_session=True)

    def link(self, number: int, state: str) -> None:
        self.ip("link", "set", f"{self.bridge}v{number}", state)

    def sent(self, number: int) -> int:
        """Return the bytes that a worker was sent, whatever they were."""
        return int(Path(f"/sys/class/net/{self.bridge}v{number}/statistics/tx_bytes").read_text())

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def wait(self, workers: int) -> None:
        with distributed.Client(self.address, set_as_default=False, timeout=30) as client:
            client.wait_for_workers(workers, timeout=90)

    def close(self) -> None:
        for name in list(self.processes):
            self.stop(name)
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", self.bridge], check=False, capture_output=True)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if not hasattr(os, "geteuid") or os.geteuid() or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and the command ip")
    try:
        made = Cluster(tmp_path_factory.mktemp("cluster"))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces are not possible here ({error.stderr.decode().strip()})")
    try:
        made.schedule()
        made.join(1)
        made.join(2)
        made.wait(2)
        yield made
    finally:
        made.close()


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let lost sockets be noticed within the test that lost them."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def task() -> Task:
    data = zoo.dataset("lenet5").first(500)
    return Task(zoo.load("lenet5"), builtin_library().select(["mul8s_ot3", "mul8s_tc8"]), data.images, data.labels)


def designs(task: Task, count: int) -> list[Assignment]:
    rng = np.random.default_rng(count)
    filters = task.network.filters
    return [
        Assignment(tuple(filters), task.library.names, tuple(rng.integers(0, 3, n).astype(np.uint8) for n in filters.values())) for _ in range(count)
    ]


def answered(runner: Runner, task: Task, assignments: list[Assignment]) -> Iterator[Answers]:
    """Give what each design answers, as it comes: many parts, each of one design on all images."""
    everything = slice(0, len(task.labels))
    return (rows[0] for rows in runner.map(task, [Shard(everything, ((one, None),)) for one in assignments]))


def same(found: list[Answers], task: Task, assignments: list[Assignment]) -> bool:
    return [right.tolist() for right in found] == [right.tolist() for right in task.answers(assignments)]


def test_a_task_is_sent_once_to_a_worker_whatever_is_measured_of_it(cluster: Cluster, task: Task) -> None:
    assignments = designs(task, 60)
    size = len(pickle.dumps(task))
    before = [cluster.sent(number) for number in (1, 2)]
    with runner_for(dask=cluster.address) as runner:
        assert same(list(answered(runner, task, assignments)), task, assignments)
        once = [cluster.sent(number) - was for number, was in zip((1, 2), before, strict=True)]
        other = Task(task.network, task.library, task.images.copy(), task.labels)  # the same by content
        assert same(list(answered(runner, other, assignments[:20])), task, assignments[:20])
        with runner_for(dask=cluster.address) as another:  # what workers hold they hold for whoever comes
            assert same(list(answered(another, other, assignments[:20])), task, assignments[:20])
        twice = [cluster.sent(number) - was for number, was in zip((1, 2), before, strict=True)]
    for all_of_it, more in zip(once, twice, strict=True):
        assert 0.9 * size < all_of_it < 1.6 * size + 300_000, (size, once)
        assert more - all_of_it < 0.3 * size + 100_000, (size, once, twice)


def test_a_worker_that_is_cut_off_is_replaced(cluster: Cluster, task: Task) -> None:
    assignments, found = designs(task, 40), []
    try:
        with runner_for(dask=cluster.address) as runner:
            for right in answered(runner, task, assignments):
                found.append(right)
                if len(found) == 5:
                    cluster.link(2, "down")  # no word to anybody: packets just end
    finally:
        cluster.link(2, "up")
    assert same(found, task, assignments)


def test_a_scheduler_that_is_started_again_gets_its_work_again(cluster: Cluster, task: Task) -> None:
    assignments, found, notes = designs(task, 30), [], []
    with runner_for(dask=cluster.address, note=notes.append) as runner:
        for right in answered(runner, task, assignments):
            found.append(right)
            if len(found) == 5:
                cluster.stop("scheduler")
                for name in cluster.names:
                    cluster.stop(name)
                cluster.schedule()
                cluster.join(1)
                cluster.join(2)
    assert same(found, task, assignments)
    assert notes[0].startswith(f"the Dask cluster at {cluster.address} has lost work (")
    cluster.wait(2)


def test_thousands_of_designs_do_not_fill_the_scheduler(cluster: Cluster) -> None:
    data = zoo.dataset("lenet5").first(4)
    task = Task(zoo.load("lenet5"), builtin_library().select(["mul8s_ot3", "mul8s_tc8"]), data.images, data.labels)
    memory = Path(f"/proc/{cluster.processes['scheduler'].pid}/statm")
    counted, resident = [], []
    count = "lambda dask_scheduler: len(dask_scheduler.tasks)"
    with runner_for(dask=cluster.address) as runner, distributed.Client(cluster.address, set_as_default=False) as watcher:
        for i, _ in enumerate(answered(runner, task, designs(task, 2000))):
            if i % 200 == 100:
                counted.append(watcher.run_on_scheduler(eval(count)))
                resident.append(int(memory.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    assert max(counted) <= 4 * 2 + 4, counted
    assert resident[-1] - resident[0] < 32 << 20, resident


def test_a_worker_of_another_version_is_refused_by_its_version(cluster: Cluster, task: Task, tmp_path: Path) -> None:
    (tmp_path / "older.py").write_text("import hawx\nhawx.__version__ = '0.0.9'\n")
    message = (
        rf"^Dask worker 'tcp://{cluster.net}\.13:\d+' has HAWX 0\.0\.9; expected 0\.1\.0 on all of them, as here\. "
        r"Install it there \(pip install hawx==0\.1\.0\) or stop it\.$"
    )
    with runner_for(dask=cluster.address) as runner:
        assert len(list(answered(runner, task, designs(task, 2)))) == 2
        cluster.join(3, "--preload", str(tmp_path / "older.py"))
        cluster.wait(3)
        with pytest.raises(InputError, match=message):  # it joined while the run was under way
            list(answered(runner, task, designs(task, 30)))
    with pytest.raises(InputError, match=message), runner_for(dask=cluster.address):
        pass
    cluster.stop(cluster.names[-1])


def test_a_run_on_the_cluster_is_that_of_one_process(cluster: Cluster, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert explore(folder, "--dask", cluster.address) == 0
    found, expected = explored(folder), explored(whole)
    assert {key: value for key, value in found.items() if key != "settings.toml"} == {k: v for k, v in expected.items() if k != "settings.toml"}


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, str]:
    """A certificate authority of the test's own, and a certificate that it signed."""
    if shutil.which("openssl") is None:
        pytest.skip("making certificates needs the command openssl")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=tmp_path)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "cert.pem", "-days", "2")
    return {name: str(tmp_path / f"{name}.pem") for name in ("ca", "cert", "key")}


def test_tls_is_that_of_dasks_configuration(certificates: dict[str, str], task: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import dask

    given = ["--tls-ca-file", certificates["ca"], "--tls-cert", certificates["cert"], "--tls-key", certificates["key"]]
    file, processes = tmp_path / "scheduler.json", []
    environment = {**os.environ, **QUICK, "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "120s"}

    def start(kind: str, *arguments: str) -> None:
        line = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments, *given, "--no-dashboard"]
        processes.append(subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment))

    try:
        start("scheduler", "--protocol", "tls", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (file.exists() and file.read_text().endswith("}")):
            time.sleep(0.05)
        address = "tls://127.0.0.1:" + file.read_text().partition("127.0.0.1:")[2].partition('"')[0]
        start("worker", address, "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path / "worker"))
        tls = "distributed.comm.tls."
        ours = {tls + "ca-file": certificates["ca"], tls + "client.cert": certificates["cert"], tls + "client.key": certificates["key"]}
        assignments = designs(task, 4)
        with dask.config.set(ours), runner_for(dask=address) as runner:
            assert same(list(answered(runner, task, assignments)), task, assignments)
        assert main([*EXPLORE, "--out", str(tmp_path / "run"), "--dask", address]) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith(f"hawx: no Dask scheduler answers at {address!r} ("), said
        assert said.endswith("certificates are those of Dask's configuration distributed.comm.tls); expected an address such as tcp://host:8786."), (
            said
        )
    finally:
        for process in processes:
            process.kill()
            process.wait()
