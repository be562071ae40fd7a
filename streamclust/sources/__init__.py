"""What comes in: descriptor files, lists of paths, tables of what is known of rows."""
