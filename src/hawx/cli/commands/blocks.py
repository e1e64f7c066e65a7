"""`hawx blocks`: look at blocks, bring in one's own, characterize them, see which are worth having."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hawx.cli.console import out, print_json, say, table
from hawx.cli.parser import Commands, Parser, add_command, add_group, add_json
from hawx.errors import InputError

if TYPE_CHECKING:
    from hawx.blocks import Block, Library

METRICS = ("mae", "wce", "mre", "ep", "mse")
COSTS = ("energy_fj", "area_um2", "luts", "delay_ns")


def add(commands: Commands) -> None:
    """Add the command and its own commands to the parser."""
    inner = add_group(commands, "blocks", "approximate multipliers: list, show, import, characterize, pareto")
    listed = add_command(inner, "list", run_list, "list the blocks of a library with their errors and costs")
    _add_library(listed)
    shown = add_command(inner, "show", run_show, "show one block: errors, costs, rank, provenance")
    shown.add_argument("name", metavar="NAME")
    _add_library(shown)
    front = add_command(inner, "pareto", run_pareto, "list the blocks that no other one beats in both error and cost")
    front.add_argument("--metric", choices=METRICS, default="mae", help="error metric [default: mae]")
    front.add_argument("--cost", choices=COSTS, default="energy_fj", help="cost [default: energy_fj]")
    _add_library(front)
    imported = add_command(inner, "import", run_import, "read blocks from files and save them as one library")
    imported.add_argument("paths", nargs="+", metavar="PATH", help="an EvoApproxLib checkout, Verilog or C files, tables, saved libraries")
    imported.add_argument("--out", type=Path, metavar="FILE.npz", help="save the library here; without it, only say what was read")
    add_json(imported)
    measured = add_command(inner, "characterize", run_characterize, "synthesize a multiplier: what it errs, its area, delay and energy")
    measured.add_argument(
        "sources",
        nargs="+",
        metavar="FILE|NAME",
        help="the Verilog or VHDL files of one circuit, or their folder; or the name of a built-in block, with --fpga several",
    )
    measured.add_argument("--fpga", metavar="FAMILY", help="characterize on an FPGA family: xilinx7, ultrascale, ecp5 or ice40")
    measured.add_argument("--route", action="store_true", help="with --fpga ice40 or ecp5: also the clock that nextpnr reaches, placed and routed")
    measured.add_argument("--liberty", metavar="NAME|FILE.lib", help="cell library: sky130hd, osu018 or a Liberty file [default: sky130hd]")
    measured.add_argument("--top", metavar="MODULE", help="module to take [default: the multiplier that no other instantiates]")
    measured.add_argument("--out", type=Path, metavar="FILE", help="save the block with its costs as a library (.npz), or the figures (.csv, .json)")
    add_json(measured)


def _add_library(parser: Parser) -> None:
    parser.add_argument(
        "--library", nargs="+", action="extend", metavar="NAME|PATH", help="builtin, a checkout, a file; several are joined [default: builtin]"
    )
    add_json(parser)


def _load(arguments: Namespace) -> Library:
    from hawx.importers import Library

    return Library.load(*(arguments.library or ["builtin"]))


def block_facts(block: Block, technology: str | None) -> dict[str, Any]:
    """Return what `list --json` says of one block: identity, errors under uniform operands, costs."""
    from dataclasses import asdict

    from hawx.blocks.metrics import error_metrics

    metrics = asdict(error_metrics(block))
    costs = block.costs.get(technology) if technology else next(iter(block.costs.values()), None)
    return {
        "name": block.name,
        "formats": [f.name for f in block.formats],
        "sha256": block.sha256,
        "is_exact": block.is_exact,
        "errors": metrics,
        "costs": asdict(costs) if costs else None,
    }


def run_list(arguments: Namespace) -> int:
    """Print a line per block."""
    library = _load(arguments)
    _print(library, [block_facts(block, library.technology) for block in library], as_json=arguments.json)
    return 0


def _print(library: Library, facts: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"library": library.name, "technology": library.technology, "blocks": facts})
        return
    from hawx.results.quantities import significant

    exact = library.exact.costs.get(library.technology) if library.technology else None
    area, unit = ("luts", "LUTs") if exact is not None and exact.area_um2 is None else ("area_um2", "µm²")

    def cells(fact: dict[str, Any]) -> list[str]:
        errors, costs = fact["errors"], fact["costs"]
        shown = ["–"] * 4
        if costs is not None:
            relative = f"{100 * costs['energy_fj'] / exact.energy_fj:.1f}" if exact is not None else "–"
            shown = [significant(costs[area]), significant(costs["delay_ns"]), significant(costs["energy_fj"]), relative]
        said = [significant(errors["mae"]), f"{errors['wce']:,.0f}".replace(",", "\u202f"), f"{100 * errors['mre']:.2f}", f"{100 * errors['ep']:.1f}"]
        return [fact["name"], *said, significant(errors["bias"]), *shown]

    head = ["block", "MAE", "WCE", "MRE %", "EP %", "bias", f"area\n{unit}", "delay\nns", "energy\nfJ", "energy\n% exact"]
    out(*table(head, [cells(fact) for fact in facts]))
    technology = f"costs in technology {library.technology}" if library.technology else "no technology shared by all"
    out(
        "",
        f"{len(facts)} blocks of library {library.name!r}, {library.formats[0]}×{library.formats[1]}; {technology}; errors under uniform operands.",
    )


def run_show(arguments: Namespace) -> int:
    """Print everything known about one block."""
    from hawx.blocks.factorize import factorize

    library = _load(arguments)
    block = library[arguments.name]
    factors = factorize(block)
    facts = block_facts(block, library.technology)
    facts["integer_products"] = factors.products if factors is not None else None
    facts["provenance"] = dict(block.provenance)
    if arguments.json:
        print_json(facts)
        return 0
    lines = [f"{block.name}  {block.formats[0]}×{block.formats[1]}" + ("  exact" if block.is_exact else ""), f"sha256  {block.sha256}", ""]
    lines += [f"  {name:10} {value:.6g}" for name, value in facts["errors"].items()]
    said = f"{factors.products} integer matrix products, exactly" if factors is not None else "the table kernel (its rank is high)"
    lines += ["", f"runs as  {said}", ""]
    for name, costs in block.costs.items():
        lines.append(
            f"{name}: {costs.area:g} {costs.area_unit}, {costs.delay_ns:g} ns, {costs.energy_fj:g} fJ, "
            f"leakage {costs.leakage_nw:g} nW ({costs.origin})"
        )
    lines += [f"{key}: {value}" for key, value in block.provenance.items()]
    out(*lines)
    return 0


def run_pareto(arguments: Namespace) -> int:
    """Print the blocks that no other one beats."""
    import numpy as np

    from hawx.pareto import non_dominated

    library = _load(arguments)
    library.costs()  # names the blocks without figures
    facts = [block_facts(block, library.technology) for block in library]
    if any(fact["costs"][arguments.cost] is None for fact in facts):
        raise InputError(f"blocks have no {arguments.cost} in technology {library.technology!r}; expected --cost to be a figure that all have.")
    points = np.array([[fact["errors"][arguments.metric], fact["costs"][arguments.cost]] for fact in facts])
    kept = [fact for fact, keep in zip(facts, non_dominated(points), strict=True) if keep]
    _print(library, sorted(kept, key=lambda fact: fact["errors"][arguments.metric]), as_json=arguments.json)
    return 0


def run_import(arguments: Namespace) -> int:
    """Read blocks and save them."""
    from hawx.importers import Library, save_library

    _check_npz(arguments.out)
    library = Library.load(*arguments.paths)
    if arguments.out is not None:
        save_library(library, arguments.out)
    _print(library, [block_facts(block, library.technology) for block in library], as_json=arguments.json)
    if arguments.out is not None:
        say(f"saved to {arguments.out}; use it with --library {arguments.out}")
    return 0


def run_characterize(arguments: Namespace) -> int:
    """Synthesize multipliers and print their figures."""
    from hawx.blocks.families import is_family_name
    from hawx.cli import characterization
    from hawx.synthesis import characterize

    characterization.check_out(arguments.out)
    if arguments.fpga is not None:
        _characterize_on_fpga(arguments)
        return 0
    if len(arguments.sources) > 1 and any(map(is_family_name, arguments.sources)):
        raise InputError("several multipliers need an FPGA family to stand beside each other in; add --fpga FAMILY, or give one multiplier alone.")
    if arguments.route:
        raise InputError("--route needs an FPGA family that nextpnr knows; add --fpga ice40 or --fpga ecp5.")
    found = characterize(arguments.sources, arguments.liberty, top=arguments.top)
    if arguments.out is not None and arguments.out.suffix == ".npz":
        from hawx.blocks import Library
        from hawx.importers import save_library
        from hawx.importers.circuit import not_free

        not_free(found.block, arguments.sources[0])
        blocks = [found.block] if found.block.is_exact else [_exact(found.block, arguments.liberty), found.block]
        save_library(Library(blocks, name=arguments.out.stem), arguments.out)
    elif arguments.out is not None:
        characterization.save(found, arguments.out)
    if arguments.json:
        print_json(found.to_dict())
    else:
        out(*characterization.lines(found))
    for note in found.notes:
        say(note)
    if arguments.out is not None:
        say(f"saved to {arguments.out}" + (f"; use it with --library {arguments.out}" if arguments.out.suffix == ".npz" else ""))
    return 0


def _characterize_on_fpga(arguments: Namespace) -> None:
    from hawx.cli.fpga import characterize_on_fpga

    _check_npz(arguments.out)
    if arguments.liberty is not None:
        raise InputError(f"--liberty {arguments.liberty!r} contradicts --fpga {arguments.fpga!r}; give one of them.")
    options = {"top": arguments.top, "routed": arguments.route, "save": arguments.out, "as_json": arguments.json}
    characterize_on_fpga(arguments.sources, arguments.fpga, **options)


def _exact(block: Block, liberty: str | None) -> Block:
    """Return the exact block in the same technology, which every library needs as its reference."""
    from hawx.blocks.families.exact import Exact
    from hawx.synthesis import characterize

    return characterize(Exact(signed=block.formats[0].signed).name, liberty).block


def _check_npz(path: Path | None) -> None:
    if path is not None and path.suffix != ".npz":
        raise InputError(f"--out {str(path)!r} has another ending; expected FILE.npz.")
