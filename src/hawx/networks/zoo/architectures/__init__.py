"""Architectures of the field as plain PyTorch modules, with the parameter names of their published weights."""
