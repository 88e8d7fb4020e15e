"""Composition root of a ledger: keys, store and engine of one member, opened and closed together.

The caller owns the TaskGroup: it opens the node before its loop serves anybody, runs `run` as one of
its tasks, and closes the node when everything that reads from it has ended.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Self

from ledger.adapters.cosigner import CheckpointSigner
from ledger.adapters.engine_local import LocalEngine
from ledger.adapters.keystore import Keystore, read_passphrase
from ledger.adapters.store import Store
from ledger.adapters.store_rocksdb import RocksdbStore
from ledger.adapters.system import Clock, SystemClock
from ledger.core.checkpoint import NoteSigner, SignatureKind
from ledger.core.receipt import Receipt
from ledger.errors import BusyError, Rejection
from ledger.settings import LedgerSettings

_DISK_RETRY_AFTER_S: Final = 60
_MEASURE_NS: Final = 1_000_000_000


class LedgerNode:
    """One member's ledger in this process.

    Attributes:
        settings: What it was told.
        store: Its store; archives lie in it too.
        engine: Orders statements; readers look at `engine.published`.
        clock: Its clock.
    """

    def __init__(
        self, settings: LedgerSettings, store: Store, engine: LocalEngine, clock: Clock
    ) -> None:
        """Take ready parts; `open` builds them from settings."""
        self.settings = settings
        self.store = store
        self.engine = engine
        self.clock = clock
        self._bytes_free = 0
        self._measured_ns: int | None = None

    @classmethod
    def open(cls, settings: LedgerSettings, clock: Clock | None = None) -> Self:
        """Open keys and store and load the head. Blocks on the disk.

        Raises:
            KeystoreError: A key file is missing, too open, or does not decrypt.
            StorageError: The store is held by another process, damaged, or inconsistent.
        """
        clock = clock or SystemClock()
        keystore = Keystore(settings.keys, read_passphrase(settings.credential))
        signer = CheckpointSigner(
            log=NoteSigner.of(
                name=settings.network,
                kind=SignatureKind.LOG,
                key=keystore.load(settings.log_key),
            ),
            cosigner=NoteSigner.of(
                name=f"{settings.network}/{settings.member}",
                kind=SignatureKind.COSIGNER,
                key=keystore.load(settings.cosigner_key),
            ),
        )
        store = RocksdbStore(settings.data)
        try:
            engine = LocalEngine(store, clock, signer)
            engine.open()
        except BaseException:
            store.close()
            raise
        return cls(settings, store, engine, clock)

    async def submit(self, entries: Sequence[bytes]) -> list[Receipt | Rejection]:
        """Log statements (see `Engine.submit`), unless the disk is nearly full.

        Raises:
            BusyError: Too much waits, or the disk has less than `disk_free_bytes_min` left.
            StorageError: The store failed.
        """
        if await self.bytes_free() < self.settings.disk_free_bytes_min:
            raise BusyError(
                f"the disk has less than {self.settings.disk_free_bytes_min} bytes free",
                _DISK_RETRY_AFTER_S,
            )
        return await self.engine.submit(entries)

    async def bytes_free(self) -> int:
        """Return what the disk had free when it was last looked at, a second ago at most."""
        now_ns = self.clock.monotonic_ns()
        if self._measured_ns is None or now_ns - self._measured_ns > _MEASURE_NS:
            self._bytes_free = await asyncio.to_thread(self.store.bytes_free)
            self._measured_ns = now_ns
        return self._bytes_free

    @property
    def bytes_free_seen(self) -> int:
        """What `bytes_free` last returned; 0 before."""
        return self._bytes_free

    async def run(self) -> None:
        """Write blocks until cancelled.

        Raises:
            StorageError: The store failed; everybody who waited was told.
        """
        await self.engine.run()

    def close(self) -> None:
        """Give up the store; call it when nothing reads any more."""
        self.store.close()
