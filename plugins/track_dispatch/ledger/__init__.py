"""Our own database, which is the outbox, too: lines, batches, events."""
