"""Hand claimed lines to Track: one POST, one table of outcomes, one place that sends."""
