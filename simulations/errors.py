"""Every exception the simulations raise on purpose.

    SimulationError
    ├── SeriesError     a file is no series we can read; says which file, line and rule
    ├── PlantError      the broker of the plant cannot be reached, or went away for good
    └── BrokerError     the embedded broker did not start

A bad row inside a good series is no exception: it is a `BadRow`, reported and left out.
"""


class SimulationError(Exception):
    """Root of the simulations' exceptions."""


class SeriesError(SimulationError):
    """A file or folder cannot be replayed.

    Attributes:
        path: The file or folder, as given.
        line: 1-based line, 0 when the file as a whole is meant.
        rule: What is wrong, in words.
    """

    def __init__(self, path: str, line: int, rule: str) -> None:
        place = f"{path}:{line}" if line else path
        super().__init__(f"{place}: {rule}")
        self.path = path
        self.line = line
        self.rule = rule


class PlantError(SimulationError):
    """The plant cannot publish: no broker at that address, or it stayed away too long."""


class BrokerError(SimulationError):
    """The embedded broker did not start; the message has its own last words."""
