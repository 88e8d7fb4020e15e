"""Every exception the resolver raises on purpose.

    ResolverError
    └── RequestError         a request cannot be answered; knows its HTTP status, title and rule

What comes from the ledger (`ledger.errors`) is translated at the interface: IdentifierError is 400,
Rejection has its own status, BusyError is 503 with Retry-After, StorageError is 503.
"""


class ResolverError(Exception):
    """Root of the resolver's exceptions."""


class RequestError(ResolverError):
    """A request is refused.

    Attributes:
        status: HTTP status.
        title: Short name, stable across versions.
        detail: Which field and rule, and what to do.
        retry_after_s: When trying again makes sense, in seconds, or None.
    """

    def __init__(
        self, status: int, title: str, detail: str, retry_after_s: int | None = None
    ) -> None:
        super().__init__(f"{title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.retry_after_s = retry_after_s
