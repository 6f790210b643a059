"""The interfaces of the adapters, and what each promises.

Common to all: domain objects go in and come out, absence is `None`, an engine's own error is raised as one of
`demixer.domain.errors` with the original as its cause (`Transient` when trying again may help). Every method may be
called from any thread, and from several processes at once. `close` may be called twice.

Both sides of a port (embedded and distributed) pass the same contract tests, in `tests/contract/`.
"""

from demixer.ports.accounts import MIN_PASSWORD, Accounts
from demixer.ports.catalogue import Analyses, Catalogue, Libraries, Outbox, Separations, Songs, Uploads, Workers
from demixer.ports.events import EventLog, Message, Record, Subscription, TopicPartition
from demixer.ports.files import Files, FileWriter, Links
from demixer.ports.fingerprints import FingerprintIndex
from demixer.ports.names import NameLookup
from demixer.ports.search import Highlights, SearchIndex, SearchPage, SongDocument

__all__ = [
    "MIN_PASSWORD",
    "Accounts",
    "Analyses",
    "Catalogue",
    "EventLog",
    "FileWriter",
    "Files",
    "FingerprintIndex",
    "Highlights",
    "Libraries",
    "Links",
    "Message",
    "NameLookup",
    "Outbox",
    "Record",
    "SearchIndex",
    "SearchPage",
    "Separations",
    "SongDocument",
    "Songs",
    "Subscription",
    "TopicPartition",
    "Uploads",
    "Workers",
]
