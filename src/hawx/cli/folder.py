"""The run folder while a run is under way: refuse to mix runs, keep the settings, resume."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from hawx.errors import InputError
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
        InputError: it holds something already and `resume` is not set, or another run is to be resumed with other settings.
    """
    if resume:
        _check_same(folder, settings)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        way = "Continue it with --resume, or choose another --out." if (folder / SETTINGS).exists() else "Choose another --out."
        raise InputError(f"run folder {str(folder)!r} is not empty; expected a new or empty folder. {way}")


def begin(folder: Path, settings: ExploreSettings) -> None:
    """Make `folder` and write the settings of the run into it.

    Raises:
        InputError: the folder cannot be made or written.
    """
    from hawx.files import make_folder, write_text

    make_folder(folder, "run folder")
    write_text(folder / SETTINGS, to_toml(settings, head=f"Run it again: hawx explore {SETTINGS} --out ANOTHER-FOLDER"))


def _check_same(folder: Path, settings: ExploreSettings) -> None:
    path = folder / SETTINGS
    if not path.exists():
        raise InputError(f"run folder {str(folder)!r} has no {SETTINGS}, so there is nothing to resume; start without --resume.")
    before, now = asdict(read_toml(path, ExploreSettings)), asdict(settings)
    for key, value in now.items():
        if key not in FREE and before[key] != value:
            raise InputError(
                f"run folder {str(folder)!r} was started with {key} = {before[key]!r}, not {value!r}; a resumed run keeps its settings. "
                "Start a new one in another --out."
            )
