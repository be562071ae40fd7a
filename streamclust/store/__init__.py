"""What results are called, how they lie on disk, and what every step works with."""
