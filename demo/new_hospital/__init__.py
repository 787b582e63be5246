"""`make new-hospital`: the files of a hospital to come, complete and harmless, full of TODOs."""
