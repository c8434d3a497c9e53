"""What the audit log says of a list of takedowns that has come into force, whoever changed the file and however."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from coordinator.takedown_list import KeptTakedown, TakedownList
from index_format.document_urls import normal_url
from index_format.takedowns import ContentTarget, DocumentTarget, DomainTarget, SourceTarget, UrlTarget

# Of the takedowns that were added or have ended: a record is one line.
_MOST_NAMED = 1_000


@dataclass(frozen=True, slots=True)
class TakedownsInForce:
    """A list that a coordinator answers by from now on.

    Attributes:
        takedowns: The list.
        before: The one before; None at the start of a process, which names none.
        num_replicas: Replicas of shards that are served.
        num_obeying: How many of these replicas obey the list.
        withheld_documents: Documents that they leave out.
    """

    takedowns: TakedownList
    before: TakedownList | None
    num_replicas: int
    num_obeying: int
    withheld_documents: int

    def as_fields(self) -> Mapping[str, object]:
        """Returns what is written of it. Targets are written as their SHA-256 (`named`), reasons as they are."""
        fields: dict[str, object] = {
            "event": "takedowns in force",
            "epoch": self.takedowns.epoch,
            "takedowns": len(self.takedowns.takedowns),
            "replicas": self.num_replicas,
            "obeying": self.num_obeying,
            "withheld_documents": self.withheld_documents,
        }
        if self.before is None:
            return fields
        before, after = ({one.id: one for one in found.takedowns} for found in (self.before, self.takedowns))
        added = [one for id_, one in after.items() if before.get(id_) != one]
        ended = [one for id_, one in before.items() if after.get(id_) != one]
        fields["added"] = [named(one) for one in added[:_MOST_NAMED]]
        fields["ended"] = [named(one) for one in ended[:_MOST_NAMED]]
        if more := max(0, len(added) - _MOST_NAMED) + max(0, len(ended) - _MOST_NAMED):
            fields["not_named"] = more
        return fields


def named(takedown: KeptTakedown) -> Mapping[str, object]:
    """Returns id, reason and kind of a takedown, and the SHA-256 of its target as it is compared.

    That is, in UTF-8: the host of a domain, a url with its host in lower case, without port, name and fragment
    (`normal_url`), a source to the letter, ``index_id:shard:number`` of a document, whose content is named besides.
    """
    content: ContentTarget | None = None
    match takedown.target:
        case DocumentTarget(index_id, shard, number, content):
            kind, compared = "document", f"{index_id}:{shard}:{number}"
        case UrlTarget(url):
            kind, compared = "url", normal_url(url)
        case DomainTarget(domain):
            kind, compared = "domain", domain
        case SourceTarget(source):
            kind, compared = "source", source
        case ContentTarget() as content:
            kind, compared = "content", f"{content.sha256}:{content.num_tokens}"
    fields = {"id": takedown.id, "kind": kind, "sha256": hashlib.sha256(compared.encode()).hexdigest()}
    if content is not None:
        fields["content_sha256"] = content.sha256
    if takedown.reason:
        fields["reason"] = takedown.reason
    return fields
