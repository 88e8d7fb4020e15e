"""The signed ledger: identifiers, statements, proofs, and the node that keeps them."""
