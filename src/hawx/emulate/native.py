"""The native extension: loaded once, checked once, refused loudly when it is missing or wrong."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from types import ModuleType

from hawx.errors import InputError, ToolMissingError


@lru_cache(maxsize=1)
def extension() -> ModuleType:
    """Return the extension `hawx._native`, unchecked.

    Raises:
        ToolMissingError: it was not built.
    """
    try:
        return import_module("hawx._native")
    except ImportError as error:
        raise ToolMissingError(
            f"the native extension hawx._native cannot be loaded ({error}); expected it in the installed package. "
            "Install HAWX with `pip install .` (needs a C++20 compiler), or choose engine 'torch'."
        ) from error


_checked: set[str] = set()


def kernels() -> ModuleType:
    """Return the extension; the first use of a tier in a process checks it.

    Raises:
        ToolMissingError: it was not built.
        WrongKernelError: the self-check failed.
    """
    target = active_target()
    if target not in _checked:
        from hawx.emulate.selfcheck import check_kernels

        _checked.add(target)  # the check itself runs kernels
        try:
            check_kernels(target)
        except BaseException:
            _checked.discard(target)
            raise
    return extension()


def targets() -> tuple[str, ...]:
    """Return the kernel tiers that can run on this machine, worst first."""
    return tuple(extension().targets())


def active_target() -> str:
    """Return the tier in use: the best, or what `HAWX_FORCE_TARGET` or `use_target` says.

    Raises:
        InputError: the environment variable names a tier that cannot run here.
    """
    try:
        return str(extension().active_target())
    except ValueError as error:
        raise InputError(str(error)) from error


def use_target(name: str | None) -> None:
    """Use the tier `name` from now on; None restores the default.

    Raises:
        InputError: it cannot run here; the message lists those that can.
    """
    try:
        extension().use_target(name or "")
    except ValueError as error:
        raise InputError(str(error)) from error
