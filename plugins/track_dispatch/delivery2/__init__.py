"""Hand claimed lines to Track: one POST at a time, one table of outcomes, one door."""
