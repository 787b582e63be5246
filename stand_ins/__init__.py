"""Stand-ins for what is not ours, on real sockets: the ERPs' Oracle, and Track's API."""
