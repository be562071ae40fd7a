"""Tables that Arrow's library reads: Parquet, Arrow files and streams, Hugging Face data sets."""
