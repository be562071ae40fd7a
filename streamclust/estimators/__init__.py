"""The scikit-learn face of the kernel: estimators for rows that do not fit in memory."""
