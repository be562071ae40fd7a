"""Going through all rows: what a block is, the three verbs, and the executors that run them."""
