"""All rows on a plane or in space."""
