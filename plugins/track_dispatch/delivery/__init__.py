"""Post claimed lines to Track, classify its answers and settle the lines."""
