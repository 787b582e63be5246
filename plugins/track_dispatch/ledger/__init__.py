"""The ledger: attendances, their lines' states and events, and the outbox of lines to send."""
