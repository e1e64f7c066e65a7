"""A whole network as streaming hardware: every layer has its own lanes, all layers work at once (the spatial accelerator)."""
