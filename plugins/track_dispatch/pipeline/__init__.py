"""What each task and each mode does, as plain functions."""
