"""Importers: block libraries, circuits and tables from files. The only code that reads them.

Circuit files are evaluated by our own gate-level evaluator; nothing that is imported is ever compiled, executed or unpickled.
"""

from hawx.importers.library import Library, load_block, load_library
from hawx.importers.saved import save_library

__all__ = ["Library", "load_block", "load_library", "save_library"]
