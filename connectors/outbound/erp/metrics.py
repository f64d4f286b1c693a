"""Every metric of the ERP connector, named once."""

from prometheus_client import Counter, Gauge, Histogram

ATTEMPTS = Counter("stockstream_erp_attempts", "Attempts by outcome.", ["system", "operation", "outcome", "shadow"])
ATTEMPT_SECONDS = Histogram(
    "stockstream_erp_attempt_seconds",
    "Time of one attempt until the ERP's answer or its end.",
    ["system", "operation"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
INQUIRIES = Counter("stockstream_erp_inquiries", "Idempotency keys asked for, by answer.", ["system", "answer"])
BREAKER = Gauge("stockstream_erp_breaker_state", "0 closed, 1 half-open, 2 open.", ["system"])
WAITING = Gauge("stockstream_erp_waiting", "Postings held in memory.", ["group", "system"])
UNDER_WAY = Gauge("stockstream_erp_under_way", "Postings sent and not answered.", ["system"])
BACKLOG = Gauge("stockstream_erp_backlog", "Offsets of the topic that are not settled.", ["group", "partition"])
LEFT = Gauge("stockstream_erp_left_in_topic", "Postings read and left in the topic for a later pass.", ["group"])
OLDEST_SECONDS = Gauge("stockstream_erp_oldest_seconds", "Age of the oldest posting not settled.", ["group"])
EXCEPTIONS = Counter("stockstream_erp_exceptions", "Exceptions raised, by category.", ["category"])
DEAD_LETTERS = Counter("stockstream_erp_dead_letters", "Postings that could not be decoded.", ["category"])
FILES = Counter("stockstream_erp_files", "Files written for systems that take files.", ["system"])
ACKNOWLEDGED = Counter("stockstream_erp_acknowledged", "Lines of acknowledgement files.", ["system", "outcome"])
COMPARED = Counter("stockstream_erp_compared", "Shadow postings compared.", ["system", "verdict"])
