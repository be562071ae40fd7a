"""A module a format of descriptor files, and what several of them share."""
