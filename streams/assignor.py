"""Faust's assignor, but never over a part of the topics."""

from collections.abc import Mapping
from typing import Any

from faust.assignor.partition_assignor import PartitionAssignor


class MissingTopics(RuntimeError):
    """The broker does not tell of topics that the group reads."""


class WholeAssignor(PartitionAssignor):  # type: ignore[misc] # Faust gives it no type
    """Leaves the process rather than assign without a topic.

    Faust leaves a missing topic out. A broker that has just come back tells of none for a moment, and a group that was
    given nothing then would rest for ever, every worker of it ready.
    """

    def assign(self, cluster: Any, member_metadata: Mapping[str, Any]) -> Any:
        wanted = {topic for member in member_metadata.values() for topic in member.subscription}
        missing = sorted(topic for topic in wanted if not cluster.partitions_for_topic(topic))
        if missing:
            told = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
            why = f"the broker does not tell of {len(missing)} of {len(wanted)} topics: {told}"
            self.app.pipeline.plan.leave(
                MissingTopics(f"{why}; where that stays so, `stockstream topics apply` makes them"), "assignment"
            )
        return super().assign(cluster, member_metadata)
