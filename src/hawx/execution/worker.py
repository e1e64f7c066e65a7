"""What a worker process needs: the server that forks workers imports it once for all of them."""

from hawx import recover, score, verify  # noqa: F401
