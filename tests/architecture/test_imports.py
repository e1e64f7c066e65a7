"""The import rule of ARCHITECTURE.md, held by reading every import statement."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "hawx"

VOCABULARY = {"bounds", "errors", "formats", "notebook", "pareto", "plain", "runner", "estimates", "units", "wiring"}
STAGES = ["report", "results", "rtl", "verify", "finetuning", "search", "predict", "score", "recover", "profile", "emulate", "networks"]
FOUNDATION = {"designs", "accelerators", "blocks"}
TOLD = {"progress"}  # speaks of designs, and every stage may speak to it
ADAPTERS = {"files", "importers", "exporters", "synthesis", "simulators", "execution", "store"}
EDGE = {"settings", "cli", "testing", "flow", "stages", "doubts", "display", "__init__", "__main__"}
NUMPY_ONLY = {"blocks", "designs", "accelerators", "circuits"}


def allowed(package: str) -> set[str]:
    """Packages that `package` may import."""
    if package in VOCABULARY:
        return VOCABULARY
    if package in FOUNDATION:
        return VOCABULARY | {package} | ({"blocks"} if package in {"designs", "accelerators"} else set())
    if package == "circuits":  # pure: below importers and synthesis, which read and write files
        return VOCABULARY | {"blocks", "circuits", "rtl"}
    if package in TOLD:
        return VOCABULARY | FOUNDATION
    if package in STAGES:
        return VOCABULARY | FOUNDATION | TOLD | set(STAGES[STAGES.index(package) :])
    if package in ADAPTERS:
        return VOCABULARY | FOUNDATION | TOLD | set(STAGES) | ADAPTERS | {"circuits", "__version__"}
    return VOCABULARY | FOUNDATION | TOLD | set(STAGES) | ADAPTERS | EDGE | {"__version__"}


def imports(path: Path) -> set[str]:
    """Dotted names that a file imports, wherever the statement stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "pickle" and {alias.name for alias in node.names} == {"UnpicklingError"}:
                continue  # to say that a checkpoint was refused
            names |= {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "hawx" else {node.module}
    return names


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_only_to_the_right(path: Path) -> None:
    relative = path.relative_to(SOURCE)
    package = relative.parts[0].removesuffix(".py")
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "hawx" and len(parts) > 1:
            target = parts[1]
            if target == "_native":
                assert package == "emulate", f"{relative} imports the native kernels; only emulate may"
                continue
            assert target in allowed(package), f"{relative} imports hawx.{target}, which lies to its left"
        elif package in NUMPY_ONLY:
            assert parts[0] in sys.stdlib_module_names | {"numpy"}, f"{relative} imports {name}; {package}/ is NumPy only"


def modules_imported(path: Path, *, typing_too: bool = False) -> set[str]:
    """Modules of HAWX that a file needs to run, wherever the statement stands; what only type checkers read counts where `typing_too`."""
    names: set[str] = set()
    nodes: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" and not typing_too:
            nodes += node.orelse
            continue
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("typing_too", [False, True])
def test_no_circle_of_imports_leaves_its_package(typing_too: bool) -> None:
    modules = {".".join(("hawx", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__"): path for path in FILES}
    reached = {name: modules_imported(path, typing_too=typing_too) & set(modules) for name, path in modules.items()}
    for through in modules:  # every path between two modules, by Warshall's closure
        for name, found in reached.items():
            if through in found:
                reached[name] = found | reached[through]
    circles = {name: {other for other in reached[name] if name in reached[other]} for name in modules}
    homes = {name: {other.split(".")[1] for other in circle if other != "hawx"} for name, circle in circles.items()}
    assert not {name: sorted(circles[name]) for name, found in homes.items() if len(found) > 1}


def test_no_circle_of_imports_within_emulation() -> None:
    modules = {f"hawx.emulate.{path.stem}": path for path in (SOURCE / "emulate").glob("[!_]*.py")}
    TopologicalSorter({name: modules_imported(path) & set(modules) for name, path in modules.items()}).prepare()  # raises where there is one


def test_the_reference_imports_no_kernel() -> None:
    for name in imports(SOURCE / "emulate" / "reference.py"):
        assert not name.startswith(("hawx._native", "hawx.emulate", "torch")), name


def test_no_file_is_longer_than_600_lines() -> None:
    long = {str(p.relative_to(SOURCE)): n for p in FILES if (n := len(p.read_text(encoding="utf-8").splitlines())) > 600}
    assert not long


def test_no_pickle_exec_or_eval() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"exec", "eval", "compile"}, path
        assert not imports(path) & {"pickle", "cloudpickle", "dill", "marshal", "shelve"}, path


def test_import_is_lean() -> None:
    code = "import sys, hawx, hawx.blocks, hawx.designs, hawx.cli; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "torchao", "onnx", "pymoo", "pyosys", "scipy", "distributed"} & set(found.stdout.split())
