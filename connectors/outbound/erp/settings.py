"""Settings of `stockstream connect erp`; several systems, their credentials and rates stand in the routing file."""

from dataclasses import dataclass

from schemas.environment import Shared, setting

EDGE = "ERP"
CA_FILE = "STOCKSTREAM_ERP_CA_FILE"


@dataclass(frozen=True, slots=True)
class Settings(Shared):
    """What the connector takes beside what every process takes; times in milliseconds of the wall clock."""

    http_host: str = setting("127.0.0.1", "Address of /metrics, /readyz and /livez.", edge=EDGE)
    http_port: int = setting(0, "Port of /metrics, /readyz and /livez; 0 picks a free one.", edge=EDGE, least=0)
    routing: str = setting("", "Path of the routing file (systems, rules); empty: one system at the URL.", edge=EDGE)
    url: str = setting("", "Service root of the one OData-like ERP where there is no routing file.", edge=EDGE)
    token_file: str = setting("", "File with the bearer token of that ERP; empty: none is sent.", edge=EDGE)
    ca_file: str = setting(
        "",
        "Certificates to trust the ERP by (each system with no `ca_file` of its own); empty: those of the system.",
        edge=EDGE,
    )
    epoch: str = setting(
        "", "Ends every idempotency key; set it to a new word at a site that takes over from another.", edge=EDGE
    )
    rate: int = setting(100, "Requests a second that ERP bears.", edge=EDGE)
    concurrency: int = setting(16, "Postings under way at once in that ERP.", edge=EDGE)
    window: int = setting(20_000, "Most postings held in memory.", edge=EDGE, least=100)
    horizon: int = setting(
        1_000_000, "How many offsets beyond the committed one are searched for urgent postings.", edge=EDGE, least=1_000
    )
    files_kept_ms: int = setting(
        2_592_000_000, "How long copies of posting files are kept once a later file is out.", edge=EDGE
    )
    connect_timeout_ms: int = setting(2_000, "Longest wait for a connection.", edge=EDGE)
    read_timeout_ms: int = setting(10_000, "Longest silence while an answer is awaited.", edge=EDGE)
    total_timeout_ms: int = setting(20_000, "Longest time of one attempt.", edge=EDGE)
    backoff_first_ms: int = setting(200, "Wait after the first technical fault of a posting; doubles.", edge=EDGE)
    backoff_most_ms: int = setting(30_000, "Longest wait between two attempts.", edge=EDGE)
    breaker_failures: int = setting(5, "Technical faults in a row that open a system's breaker.", edge=EDGE)
    breaker_open_ms: int = setting(2_000, "First time a breaker stays open; doubles while probes fail.", edge=EDGE)
    breaker_open_most_ms: int = setting(60_000, "Longest time a breaker stays open.", edge=EDGE)
    breaker_probes: int = setting(1, "Attempts at once while a breaker is half-open.", edge=EDGE)
    commit_interval_ms: int = setting(500, "Time between two commits of offsets.", edge=EDGE)
    session_timeout_ms: int = setting(10_000, "Group session timeout.", edge=EDGE)
