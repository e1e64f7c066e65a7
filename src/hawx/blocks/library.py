"""Library: an ordered, immutable set of blocks that always contains an exact one. `hawx.importers` has one that loads itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Self

from hawx.blocks.block import Block, Costs
from hawx.blocks.metrics import error_metrics
from hawx.errors import InputError, UnknownNameError
from hawx.formats import IntFormat
from hawx.notebook import data_frame, rows_html


@dataclass(frozen=True, eq=False)
class Library:
    """Blocks of one format pair in a fixed order, unique by name, with at least one exact block.

    Raises:
        InputError: no blocks, a name twice, mixed formats, or no exact block.
    """

    name: str
    blocks: tuple[Block, ...]

    def __init__(self, blocks: Iterable[Block], *, name: str = "library") -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "blocks", tuple(blocks))
        if not self.blocks:
            raise InputError(f"library {name!r} has no blocks; expected at least an exact one.")
        seen: set[str] = set()
        for block in self.blocks:
            if block.name in seen:
                raise InputError(f"library {name!r} has two blocks called {block.name!r}; rename one with Block.renamed().")
            seen.add(block.name)
            if block.formats != self.blocks[0].formats:
                raise InputError(
                    f"library {name!r} mixes formats: {block.name!r} is {block.formats[0]}×{block.formats[1]}, "
                    f"{self.blocks[0].name!r} is {self.blocks[0].formats[0]}×{self.blocks[0].formats[1]}; load one format pair per library."
                )
        if not any(block.is_exact for block in self.blocks):
            raise InputError(f"library {name!r} has no exact block; add one (for example mul8s_exact of the built-in library).")

    @property
    def formats(self) -> tuple[IntFormat, IntFormat]:
        return self.blocks[0].formats

    @cached_property
    def exact(self) -> Block:
        """The exact block; with several, the one of least energy in the library's technology."""
        exact = [block for block in self.blocks if block.is_exact]
        technology = self.technology
        if technology is not None:
            return min(exact, key=lambda block: block.costs[technology].energy_fj)
        return exact[0]

    @cached_property
    def technology(self) -> str | None:
        """The technology in which every block has costs (the first of the first block's), or None."""
        shared = [t for t in self.blocks[0].costs if all(t in block.costs for block in self.blocks)]
        return shared[0] if shared else None

    @cached_property
    def hashes(self) -> Mapping[str, str]:
        """Name of each block -> SHA-256 of its table."""
        return {block.name: block.sha256 for block in self.blocks}

    def costs(self) -> tuple[Costs, ...]:
        """Return every block's costs in the shared technology, in library order.

        Raises:
            InputError: no technology is shared; names the blocks that lack figures.
        """
        if self.technology is None:
            known = sorted({t for block in self.blocks for t in block.costs})
            bare = [block.name for block in self.blocks if not block.costs]
            lacking = f"{', '.join(bare[:4])} have none" if bare else f"found {', '.join(known)}"
            raise InputError(f"blocks of library {self.name!r} share no technology with costs ({lacking}); run `hawx blocks characterize` on them.")
        return tuple(block.costs[self.technology] for block in self.blocks)

    def in_technology(self, technology: str | None) -> Self:
        """Return the library with the figures of one technology alone; as it is where `technology` is None.

        Raises:
            InputError: a block has none in it; the message says how to get them.
        """
        if technology is None:
            return self
        lacking = [block.name for block in self.blocks if technology not in block.costs]
        if lacking:
            shown = ", ".join(lacking[:4]) + (f" and {len(lacking) - 4} more" if len(lacking) > 4 else "")
            known = sorted({name for block in self.blocks for name in block.costs})
            raise InputError(
                f"blocks of library {self.name!r} have no figures in technology {technology!r}: {shown}; expected one of those known: "
                f"{', '.join(known) or 'none'}. `hawx blocks characterize BLOCK --fpga FAMILY --out FILE.npz` makes some for --library FILE.npz."
            )
        return type(self)((replace(block, costs=MappingProxyType({technology: block.costs[technology]})) for block in self.blocks), name=self.name)

    def select(self, names: Sequence[str]) -> Self:
        """Return the blocks called `names` in that order, with the exact block in front if it is not among them."""
        chosen = [self[name] for name in names]
        if not any(block.is_exact for block in chosen):
            chosen.insert(0, self.exact)
        return type(self)(chosen, name=self.name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(block.name for block in self.blocks)

    def index(self, name: str) -> int:
        if name not in self.names:
            raise UnknownNameError("block", name, self.names, f"`hawx blocks list` shows those of {self.name!r}.")
        return self.names.index(name)

    def __getitem__(self, name: str | int) -> Block:
        """Return the block called `name`, or the one at that position of the library's order.

        Raises:
            InputError: there is none.
        """
        if not isinstance(name, int):
            return self.blocks[self.index(name)]
        if not -len(self.blocks) <= name < len(self.blocks):
            raise InputError(f"library {self.name!r} has no block number {name}; expected 0..{len(self.blocks) - 1}, or a name.")
        return self.blocks[name]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks)

    def __len__(self) -> int:
        return len(self.blocks)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one plain row per block: name, hash, errors of its products, and figures in the shared technology, if there is one."""
        for block in self.blocks:
            found = error_metrics(block)
            costs = block.costs[self.technology] if self.technology else None
            yield {
                "name": block.name,
                "sha256": block.sha256,
                "is_exact": block.is_exact,
                "mae": found.mae,
                "wce": int(found.wce),
                "error_probability": found.ep,
                **({"area_um2": costs.area_um2, "delay_ns": costs.delay_ns, "energy_fj": costs.energy_fj} if costs else {}),
            }

    def to_pandas(self) -> Any:
        """Return `rows` as a `pandas.DataFrame`.

        Raises:
            ToolMissingError: pandas is not installed.
        """
        return data_frame(self.rows())

    def _repr_html_(self) -> str:
        rows = [{name: value for name, value in row.items() if name not in ("sha256", "is_exact")} for row in self.rows()]
        title = f"{self.name}: {len(self)} blocks, {self.formats[0]}×{self.formats[1]}" + (f", {self.technology}" if self.technology else "")
        return rows_html(title, list(rows[0]), [list(row.values()) for row in rows])

    def __repr__(self) -> str:
        return f"Library({self.name!r}, {len(self)} blocks, {self.formats[0]}×{self.formats[1]})"
