"""What the resolver reads: a view of one ledger head, and the archive of readings."""
