"""All rows on a plane or in space, one file a layout."""
