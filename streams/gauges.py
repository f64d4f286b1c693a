"""What is looked up only when somebody asks for /metrics: readiness, lag, recovery, feeds. Cheap, and never stale."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from schemas.clock import Clock
from schemas.instruments import running
from streams import feeds, metrics
from streams.pipeline import Pipeline
from streams.telling import bounded
from tables.freshness import FRESH, LATE, NEVER, STALE, Thresholds, judge

NAME: Final = "worker"
CODES: Final = {FRESH: 0, LATE: 1, STALE: 2}


class Gauges:
    """`refresh` brings them up to date. `lag`: records waiting, by topic and by partition number."""

    def __init__(
        self,
        pipeline: Pipeline,
        lag: Callable[[], Mapping[tuple[str, int], int]],
        clock: Clock,
        thresholds: Thresholds,
    ) -> None:
        self._pipeline, self._lag, self._clock, self._thresholds = pipeline, lag, clock, thresholds
        running(metrics.BUILD, NAME)

    def refresh(self) -> None:
        pipeline, now = self._pipeline, time.monotonic()
        metrics.READY.labels(NAME).set(pipeline.ready)
        began = pipeline.recovery.began
        metrics.RECOVERY_SECONDS.set(0 if began is None else now - began)
        by_topic: dict[str, int] = {}
        for (topic, _), behind in self._lag().items():
            by_topic[topic] = by_topic.get(topic, 0) + behind
        metrics.LAG.clear()
        for topic, behind in by_topic.items():
            metrics.LAG.labels(topic).set(behind)
        metrics.COMMIT_AGE_SECONDS.set(pipeline.commit_age())
        self._feeds()

    def _feeds(self) -> None:
        """As of now, not as of the last record: a feed that falls silent grows old by itself.

        Feeds beyond the bound share a name; the worst of them is told, so that none falls silent unseen.
        """
        now = self._clock()
        ages: dict[tuple[str, str], float] = {}
        statuses: dict[tuple[str, str], int] = {}
        for task in self._pipeline.tasks.values():
            for feed in feeds.read(task.stages["feeds"].rows):
                feed.clock = max(feed.clock, now)
                labels = bounded("source", feed.source), bounded("location", feed.location)
                if feed.alive_at != NEVER:
                    ages[labels] = max(ages.get(labels, 0), (now - feed.alive_at) / 1000)
                statuses[labels] = max(statuses.get(labels, 0), CODES[judge(feed, self._thresholds)[0]])
        for gauge, told in ((metrics.FEED_AGE_SECONDS, ages), (metrics.FEED_STATUS, statuses)):
            gauge.clear()
            for labels, worst in told.items():
                gauge.labels(*labels).set(worst)
