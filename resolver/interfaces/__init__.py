"""One file per protocol that the outside world speaks to the resolver."""
