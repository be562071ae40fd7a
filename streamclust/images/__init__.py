"""The images of the rows: found in folders and zip files, measured, and kept."""
