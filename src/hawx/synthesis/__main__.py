"""`python -m hawx.synthesis`: characterize all built-in blocks anew and write the files that the package ships."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from hawx.synthesis.builtin import write

if __name__ == "__main__":
    write(Path(str(files("hawx"))))
