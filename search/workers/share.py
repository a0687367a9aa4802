"""How many workers a search may have: what the space or a flag says, and a file in which a service gives and takes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pitprop.errors import UserError
from pitprop.messages import _


@dataclass(slots=True)
class Share:
    """A file with a whole number: the workers that a search may have now. It is read again whenever work is given out."""

    file: Path
    number: int = 0

    def __post_init__(self) -> None:
        said = self._read()
        if said is None:
            raise UserError(
                _(
                    "--share {file}: it holds no whole number of at least 0; write the number of workers into it "
                    "that the search may have now, such as 2"
                ).format(file=self.file)
            )
        self.number = said

    def now(self) -> int:
        """What the file says; what it said before, where it is just being replaced, or is gone."""
        said = self._read()
        self.number = self.number if said is None else said
        return self.number

    def _read(self) -> int | None:
        try:
            said = self.file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return int(said) if said.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Size:
    """How many workers there are to be: ``most`` (None: as many as fit), for ``count`` trainings in all.

    A search waits for the ``least``. ``elastic``: nodes may come that are not there yet, so it waits for them as well.
    """

    count: int
    most: int | None = None
    least: int = 1
    elastic: bool = False
    share: Share | None = None

    @property
    def held(self) -> int:
        """For how many workers a Ray that is started for them alone has to have room."""
        return self.count if self.most is None else min(self.most, self.count)

    def now(self, fits: int) -> int:
        """How many there are to be now, where so many fit."""
        most = fits if self.most is None else self.most if self.elastic else min(self.most, fits)
        return min(most, self.count, self.share.now() if self.share is not None else most)
