"""What is in each cluster: example rows, findings, and sentences about them."""
