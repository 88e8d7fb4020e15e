"""Where the ledger touches the world: one file per outside technology, beside the port it implements.

Ports are Protocols (`store`, `system.Clock`); each has an in-memory twin for tests and simulations.
"""
