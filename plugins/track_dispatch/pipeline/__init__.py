"""What the tasks do, as plain functions that take hook, ledger, client and clock."""
