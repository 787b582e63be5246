"""The ledger: who was found, who was asked, and what became of it. Also the outbox."""
