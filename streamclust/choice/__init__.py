"""Which clustering of a set to recommend: indices, stability, evidence, and the rule."""
