"""Pure part of the resolver: projections of a record, archives, errors' shapes."""
