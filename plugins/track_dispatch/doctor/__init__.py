"""The doctor: whether a live installation can do its work, found out without sending anything."""
