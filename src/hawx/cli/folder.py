"""The run folder while a run is under way: one process writes it, runs are never mixed, settings and inputs are kept, and a run goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from hawx.errors import InputError
from hawx.files import is_trace, locked, make_folder, refuse_locked, remove_drafts, write_text
from hawx.settings import ExploreSettings, read_toml, to_toml

SETTINGS = "settings.toml"
MEASUREMENTS = "run.sqlite"
FREE = ("jobs", "dask", "memory")
"""Settings that may change when a run is resumed: the result does not depend on them."""


def default_folder(settings: ExploreSettings) -> Path:
    """Return a folder below `runs/` that is named after the run and the time."""
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{Path(settings.network).stem}-{settings.granularity}-{stamp}"


def check(folder: Path, settings: ExploreSettings, *, resume: bool) -> None:
    """Check that a run with `settings` may use `folder`; change nothing.

    Raises:
        InputError: another process writes it, it holds something already and `resume` is not set, or another run is to be resumed with other
            settings.
    """
    refuse_locked(folder, "run folder")
    _check(folder, settings, resume=resume)


def _check(folder: Path, settings: ExploreSettings, *, resume: bool) -> None:
    if resume:
        _check_same(folder, settings)
    elif folder.exists() and (not folder.is_dir() or not all(map(is_trace, folder.iterdir()))):
        way = "Continue it with --resume, or choose another --out." if (folder / SETTINGS).exists() else "Choose another --out."
        raise InputError(f"run folder {str(folder)!r} is not empty; expected a new or empty folder. {way}")


@contextmanager
def begun(folder: Path, settings: ExploreSettings, inputs: Mapping[str, Any], *, resume: bool) -> Iterator[None]:
    """Make `folder` and keep it to this process while the block runs, with the settings of the run in it and what it works on.

    Args:
        inputs: see `hawx.store.inputs.inputs_of`.

    Raises:
        InputError: as of `check`, the folder cannot be made or written, or the run that is resumed had other inputs.
    """
    from hawx.store.inputs import difference, kept_inputs, save_inputs

    make_folder(folder, "run folder")
    with locked(folder, "run folder"):
        _check(folder, settings, resume=resume)  # once more: now nobody else can change it
        if resume and (found := difference(kept_inputs(folder), inputs)):
            raise InputError(
                f"run folder {str(folder)!r} was started with {found}; a resumed run keeps what it works on. "
                "Give it that again, or start a new one in another --out."
            )
        remove_drafts(folder)
        write_text(folder / SETTINGS, to_toml(settings, head=f"Run it again: hawx explore {SETTINGS} --out ANOTHER-FOLDER"))
        save_inputs(inputs, folder)
        yield


def _check_same(folder: Path, settings: ExploreSettings) -> None:
    from hawx import __version__
    from hawx.store.inputs import kept_inputs

    path = folder / SETTINGS
    if not path.exists():
        raise InputError(f"run folder {str(folder)!r} has no {SETTINGS}, so there is nothing to resume; start without --resume.")
    version = kept_inputs(folder).get("version", __version__)
    if version != __version__:
        raise InputError(
            f"run folder {str(folder)!r} was started with HAWX {version}, not {__version__}; a resumed run keeps its version. "
            f"Install that one (pip install hawx=={version}), or start a new run in another --out."
        )
    before, now = asdict(read_toml(path, ExploreSettings)), asdict(settings)
    for key, value in now.items():
        if key not in FREE and before[key] != value:
            raise InputError(
                f"run folder {str(folder)!r} was started with {key} = {before[key]!r}, not {value!r}; a resumed run keeps its settings. "
                "Start a new one in another --out."
            )
