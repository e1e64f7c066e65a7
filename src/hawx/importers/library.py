"""Load libraries: sources to blocks, one format pair, no circuit twice, an exact block, one shared technology."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from hawx.blocks.anchoring import anchored
from hawx.blocks.block import Block, sign_magnitude
from hawx.blocks.families import BUILTIN, FAMILIES, Exact, builtin_library, family_block, from_name, is_family_name
from hawx.blocks.library import Library as Blocks
from hawx.circuits.header import TECHNOLOGY
from hawx.circuits.readings import SIGNED, UNSIGNED, Pair
from hawx.errors import InputError
from hawx.files import existing, present
from hawx.formats import U8
from hawx.importers.circuit import SUFFIXES, characterized, load_circuit
from hawx.importers.evoapprox import exact_costs, is_checkout, load_checkout, load_folder
from hawx.importers.saved import is_saved, load_npz, load_saved
from hawx.importers.source import MIXED, Source, as_wished, parse_source
from hawx.importers.tables import load_described, load_table

TABLES = (".npy", ".csv", ".bin", ".h")
KNOWN = (*SUFFIXES, ".npz", *TABLES)


class Library(Blocks):
    """A library that can be loaded: `hawx.Library`. In everything else it is a `hawx.blocks.Library`."""

    @classmethod
    def load(cls, *sources: str | os.PathLike[str]) -> Self:
        """Return the library at one or more sources, in order, duplicates (same table) dropped: see `load_library`.

        Raises:
            InputError: a source is missing or not usable; the message names it and what was expected.
        """
        loaded = load_library(*sources)
        return cls(loaded.blocks, name=loaded.name)

    @classmethod
    def from_function(
        cls,
        function: Callable[[Any, Any], Any],
        *,
        name: str = "function",
        formats: tuple[str, str] = ("s8", "s8"),
        area: float | None = None,
        energy: float | None = None,
        delay: float = 1.0,
    ) -> Self:
        """Return a library of the exact block and one that multiplies as `function` says; see `Block.from_function`.

        Args:
            function: of an activation and a weight, such as `lambda a, w: (a * w) & ~3`.
            area, energy, delay: shares of the exact block's figures, as you know or assume them; a function has none of its own. Without area and
                energy the block has no costs: it can be emulated and scored, not explored.

        Raises:
            InputError: the function fails or gives no whole numbers, or a share is not positive.
        """
        block = Block.from_function(function, name=name, formats=formats)
        exact = exact_block(block.formats)
        if area is not None and energy is not None:
            for what, share in (("area", area), ("energy", energy), ("delay", delay)):
                if not 0 < share < np.inf:
                    raise InputError(f"{what} = {share!r} of block {name!r} cannot be used; expected a share of the exact block's, such as 0.6.")
            said = f"stated: {area:g} of the area, {energy:g} of the energy, {delay:g} of the delay of {exact.name}"
            block = block.with_costs(
                *(
                    replace(c, area_um2=area * c.area_um2, energy_fj=energy * c.energy_fj, delay_ns=delay * c.delay_ns, luts=None, origin=said)
                    for c in exact.costs.values()
                    if c.area_um2 is not None
                )
            )
        return cls([exact, block], name=name)


def load_library(*sources: str | os.PathLike[str]) -> Library:
    """Return the library at one or more sources, in order.

    Args:
        sources: `builtin`; a family member's name (`mul8s_drum5`); a saved library or described tables (`.npz` with its
            `.json`); an EvoApproxLib checkout or a folder of circuits; a circuit (`.v`, `.sv`, `.c`); a plain table (`.npy`,
            `.csv`, `.bin`, `.h`). How to read one may follow a `#` (see `hawx.importers.source`). None at all means `builtin`.

    Of a circuit that comes twice (same table) the first is kept and gets the other's figures in technologies it lacks. A name
    that comes twice with different tables gets the table's hash appended. Where no source is exact, the built-in exact block of
    the format pair is put in front. Where blocks share no technology, figures are scaled to the commonest one by the exact
    blocks' ratio and labelled `scaled: …`.

    Raises:
        InputError: a source is missing or not usable; the message names it and what was expected.
    """
    parsed = [parse_source(source) for source in sources or (BUILTIN,)]
    loaded = [load_source(source) for source in parsed]
    blocks = distinct([block for _, found in loaded for block in found])
    formats = blocks[0].formats
    if not any(block.is_exact for block in blocks):
        blocks = [exact_block(formats), *blocks]
    blocks = list(anchored(blocks, anchors=[published_exact(formats)]))
    name = "+".join(dict.fromkeys(name for name, _ in loaded))
    return Library(blocks, name=name)


def load_block(path: str | os.PathLike[str]) -> Block:
    """Return the one block at `path` (any source that holds exactly one).

    Raises:
        InputError: the source is not usable or holds several blocks.
    """
    source = parse_source(path)
    _, blocks = load_source(source)
    if len(blocks) != 1:
        listed = ", ".join(block.name for block in blocks[:4])
        raise InputError(f"source {source.text!r} holds {len(blocks)} blocks ({listed}, …); expected one. Load it as a library.")
    return blocks[0]


def exact_block(formats: Pair) -> Block:
    """Return the built-in exact block of a format pair, with its shipped figures."""
    if formats == SIGNED:
        return family_block(Exact())
    unsigned = family_block(Exact(signed=False))
    if formats == UNSIGNED:
        return unsigned
    if formats == MIXED:
        return sign_magnitude(unsigned, U8)
    raise InputError(
        f"no built-in exact block has formats {formats[0]}×{formats[1]}; expected s8×s8, u8×u8 or u8×s8. Add an exact one to the sources."
    )


def published_exact(formats: Pair) -> Block:
    """Return the exact block with the figures that EvoApproxLib publishes for it: the anchor of published figures."""
    block = exact_block(formats if formats in (SIGNED, UNSIGNED) else MIXED)
    return replace(block, costs=MappingProxyType({TECHNOLOGY: exact_costs(block)}))


def distinct(blocks: Sequence[Block]) -> list[Block]:
    """Return the blocks without repeated circuits, names made unique."""
    kept: dict[str, Block] = {}
    for block in blocks:
        first = kept.get(block.sha256)
        if first is None:
            kept[block.sha256] = block
            continue
        more = [costs for technology, costs in block.costs.items() if technology not in first.costs]
        also = [*first.provenance.get("also", []), block.name] if block.name != first.name else first.provenance.get("also", [])
        provenance = {**first.provenance, "also": also} if also else first.provenance
        kept[block.sha256] = replace(first.with_costs(*more), provenance=MappingProxyType(dict(provenance)))
    taken: set[str] = set()
    result = []
    for block in kept.values():
        unique = block.renamed(f"{block.name}_{block.sha256[:6]}") if block.name in taken else block
        taken.add(unique.name)
        result.append(unique)
    return result


def load_source(source: Source) -> tuple[str, list[Block]]:
    """Return a name for the source and its blocks, formats as wished.

    Raises:
        InputError: the source is missing or not usable.
    """
    if source.place == BUILTIN and not present(Path(source.place)):
        return BUILTIN, as_wished(builtin_library().blocks, source)
    if is_family_name(source.place):
        return source.place, as_wished([family_block(from_name(source.place))], source)
    path = Path(source.place)
    if not present(path) and not path.suffix and path.with_suffix(".npz").is_file():
        path = path.with_suffix(".npz")
    if not present(path) and path.name == source.place and path.suffix not in KNOWN:
        raise InputError(
            f"unknown library or block {source.place!r}; expected {BUILTIN!r}, a family member such as {FAMILIES[1].EXAMPLE!r}, "
            "or the path of a file or folder."
        )
    existing(path, "library")
    name, blocks = _load_path(path, source)
    return name, as_wished(blocks, source)


def _load_path(path: Path, source: Source) -> tuple[str, list[Block]]:
    wish = source.formats if source.formats in (SIGNED, UNSIGNED) else UNSIGNED if source.magnitude or source.formats == MIXED else None
    if path.is_dir():
        if is_checkout(path):
            return path.resolve().name, load_checkout(path, wish)
        return path.resolve().name, _load_plain_folder(path)
    if path.suffix in SUFFIXES:
        return path.stem, [characterized(load_circuit(path, wish=wish), path)]
    if path.suffix == ".npz":
        beside, content = load_npz(path)
        if is_saved(content):
            return load_saved(path, beside, content)
        return path.stem, load_described(path, beside, content)
    if path.suffix in TABLES:
        return path.stem, [load_table(path, wish=wish, wrapped=source.wrapped)]
    raise InputError(f"library {str(path)!r} has suffix {path.suffix!r}; expected a folder or one of {', '.join(KNOWN)}.")


def _load_plain_folder(folder: Path) -> list[Block]:
    blocks = load_folder(folder)
    for path in sorted(folder.iterdir()):
        if path.suffix in TABLES:
            blocks.append(load_table(path))
        elif path.suffix == ".npz":
            beside, content = load_npz(path)
            blocks += load_saved(path, beside, content)[1] if is_saved(content) else load_described(path, beside, content)
    if not blocks:
        raise InputError(f"folder {str(folder)!r} holds no blocks; expected an EvoApproxLib checkout or files ending in {', '.join(KNOWN)}.")
    return blocks
