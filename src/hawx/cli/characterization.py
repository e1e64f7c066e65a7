"""How `hawx blocks characterize` shows and saves what it found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hawx.errors import InputError

if TYPE_CHECKING:
    from hawx.synthesis import Characterization

_ERRORS = {"mae": "MAE", "wce": "WCE", "mre": "MRE %", "wcre": "WCRE %", "ep": "EP %", "mse": "MSE", "bias": "bias"}
_COSTS = {"area_um2": "area µm²", "delay_ns": "delay ns", "energy_fj": "energy fJ", "leakage_nw": "leakage nW", "luts": "LUTs"}
_KEPT = ("constant_lsbs", "gates", "full_adders", "mapping", "origin")
ENDINGS = (".npz", ".csv", ".json")


def check_out(path: Path | None) -> None:
    """Raise InputError where a characterization cannot be saved under this name."""
    if path is not None and path.suffix not in ENDINGS:
        raise InputError(f"--out {str(path)!r} has another ending; expected FILE.npz, a library, or the figures as FILE.csv or FILE.json.")


def lines(found: Characterization) -> list[str]:
    """Return the lines that show a characterization: what was read, its errors, its costs."""
    from hawx.results.quantities import significant

    errors, values = found.errors, found.to_dict()
    rows = [("name", found.name), ("read as", str(found.reading)), ("exact", "yes" if values["is_exact"] else "no")]
    if found.table is not None:
        rows.append(("sha256", values["sha256"]))
    over = f"{errors.pairs:,} sampled operand pairs" if errors.is_sampled else f"all {errors.pairs:,} operand pairs"
    rows.append(("errors over", over.replace(",", "\u202f")))
    for key, label in _ERRORS.items():
        scale = 100.0 if "%" in label else 1.0
        text = significant(scale * getattr(errors, key), 4)
        if key in errors.intervals:
            low, high = (significant(scale * value, 4) for value in errors.intervals[key])
            text += f"  (95 %: {low} to {high})"
        rows.append((label, f"at least {text}" if errors.is_sampled and key in ("wce", "wcre") else text))
    rows.append(("costs in", values["library"]))
    rows += [(label, significant(value, 4) if isinstance(value := values[key], float) else str(value)) for key, label in _COSTS.items()]
    rows += [(key.replace("_", " "), str(values[key])) for key in _KEPT]
    width = max(len(label) for label, _ in rows)
    return [f"{label:{width}}  {text}" for label, text in rows]


def save(found: Characterization, path: Path) -> None:
    """Write the figures: as JSON, or as CSV with a line of names and a line of values."""
    from hawx.files import write_text
    from hawx.store.text import csv_text, json_text

    values = found.to_dict()
    if path.suffix == ".json":
        write_text(path, json_text(values) + "\n")
        return
    row: dict[str, Any] = {}
    for key, value in values.items():
        if key == "errors":
            spans = value.pop("intervals", {}).items()
            row |= value | {f"{name}_{end}": limit for name, span in spans for end, limit in zip(("low", "high"), span, strict=True)}
        else:
            row[key] = {"formats": "×", "notes": " "}[key].join(value) if isinstance(value, list) else value
    write_text(path, csv_text(list(row), [row]))
