"""Exporters: networks in other tools' formats."""

from hawx.exporters.onnx import export_onnx

__all__ = ["export_onnx"]
