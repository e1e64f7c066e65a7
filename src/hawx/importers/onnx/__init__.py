"""Networks in ONNX files: read (`reader`), checked against one table of operators (`table`), run as a PyTorch module (`module`)."""

from hawx.importers.onnx.module import OnnxModule, load_onnx

__all__ = ["OnnxModule", "load_onnx"]
