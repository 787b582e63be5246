"""Turn ERP rows into import lines, or into exclusions with a reason. Pure functions."""
