"""Results: what one exploration found, as values; the design to put forward; how its figures are called. Reports and stores stand on it."""
