"""A member's two note keys at work: the log's own signature and the dated cosignature.

An embedded node is log and cosigner at once: it signs the checkpoint with its log key (C2SP type
0x01) and cosigns it with its separate cosigner key (0x04), so that freshness means the same for a
network of one member as for a consortium. The rule "never two inconsistent checkpoints" holds because
the engine asks only for what its one store has made durable.
"""

from dataclasses import dataclass

from ledger.core.checkpoint import Checkpoint, NoteSigner, sign_checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSigner:
    """What signs an embedded node's checkpoints.

    Attributes:
        log: Signer of kind 0x01, named as the network.
        cosigner: Signer of kind 0x04, named NETWORK/MEMBER.
    """

    log: NoteSigner
    cosigner: NoteSigner

    def sign(self, checkpoint: Checkpoint, *, time_s: int) -> str:
        """Return the signed and cosigned checkpoint as text; `time_s` is Unix seconds."""
        note = sign_checkpoint(checkpoint, [self.log])
        cosigned = note.with_lines([self.cosigner.cosign(checkpoint, time_s=time_s)])
        return cosigned.format().decode()
