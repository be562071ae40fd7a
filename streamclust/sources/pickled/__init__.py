"""What pickles hold beside a single array: rows, their paths, data frames."""
