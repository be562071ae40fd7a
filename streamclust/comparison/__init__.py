"""Descriptor sets beside each other, against known attributes, and mixed."""
