"""The edges: each its own process, meeting the pipeline only through topics."""
