"""Names of clusters, labels to take away, and rows that come later."""
