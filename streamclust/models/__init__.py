"""Models: arrays in, arrays out, with scikit-learn's conventions; no Zarr and no dask."""
