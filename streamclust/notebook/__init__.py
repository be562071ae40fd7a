"""What a notebook shows of a results folder: its summary, tables and pictures."""
