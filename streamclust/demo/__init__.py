"""A demonstration case out of nothing: drawn vehicles in the reference's layout."""
