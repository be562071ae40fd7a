"""The steps of a run, one module each: from sources and workspace to workspace and files."""
