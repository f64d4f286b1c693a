"""Settings of `connect webhooks` and `connect shop`; read with schemas.environment.read."""

from dataclasses import dataclass

from schemas.environment import Shared, setting

EDGE = "COMMERCE"
CA_FILE = "STOCKSTREAM_COMMERCE_CA_FILE"


@dataclass(frozen=True, slots=True)
class Commerce(Shared):
    http_host: str = setting("127.0.0.1", "Address of /metrics, /readyz and /livez.", edge=EDGE)
    http_port: int = setting(0, "Port of /metrics, /readyz and /livez; 0 picks a free one.", edge=EDGE, least=0)
    pending: int = setting(100_000, "Most SKUs held in memory before reading pauses.", edge=EDGE)
    ca_file: str = setting(
        "", "Certificates to trust receivers and the shop by, beside those of the system.", edge=EDGE
    )
    # ---- webhooks
    subscriptions: str = setting("subscriptions.yaml", "Path of the webhook subscriptions' declaration.", edge=EDGE)
    look_ms: int = setting(1_000, "How often the declaration and commands are looked at.", edge=EDGE)
    allow_http: bool = setting(False, "Whether receivers may be addressed without TLS.", edge=EDGE)
    allow: str = setting(
        "", "Receivers allowed at private addresses: host names and networks, comma separated.", edge=EDGE
    )
    batch_size: int = setting(100, "Most changes in a delivery, where the subscription says nothing.", edge=EDGE)
    batch_ms: int = setting(200, "Longest a change waits for others, where the subscription says nothing.", edge=EDGE)
    body_bytes: int = setting(262_144, "Most bytes in a delivery.", edge=EDGE)
    answer_bytes: int = setting(65_536, "Most bytes read of a receiver's answer.", edge=EDGE)
    connect_ms: int = setting(5_000, "Time limit for resolving and connecting.", edge=EDGE)
    read_ms: int = setting(15_000, "Time limit between two parts of an answer.", edge=EDGE)
    total_ms: int = setting(20_000, "Time limit for a delivery or shop request as a whole.", edge=EDGE)
    retry_first_ms: int = setting(30_000, "Wait after a first failed delivery; it doubles from there.", edge=EDGE)
    retry_most_ms: int = setting(14_400_000, "Longest wait between two deliveries.", edge=EDGE)
    give_up_ms: int = setting(86_400_000, "A subscription failing for this long is disabled.", edge=EDGE)
    # ---- shop
    shop_channel: str = setting("webshop", "Channel whose quantities the shop is given.", edge=EDGE)
    shop_url: str = setting("", "Base URL of the shop's inventory API.", edge=EDGE)
    shop_token: str = setting("", "Bearer token for the shop.", edge=EDGE, secret=True)
    shop_token_file: str = setting("", "File with that token, instead.", edge=EDGE)
    shop_rule: str = setting(
        "ours_wins", "When the shop's own quantity has changed: `ours_wins`, or `report` and leave it.", edge=EDGE
    )
    shop_rate: int = setting(20, "Most requests to the shop in a second.", edge=EDGE)
    shop_parallel: int = setting(4, "Requests to the shop at the same time.", edge=EDGE)
    shop_batch: int = setting(50, "Most SKUs in a request.", edge=EDGE)
    shop_retry_first_ms: int = setting(200, "Wait after a first technical fault of the shop; it doubles.", edge=EDGE)
    shop_retry_most_ms: int = setting(30_000, "Longest wait between two tries.", edge=EDGE)
    shop_verify_ms: int = setting(
        60_000, "A quantity set for the first time since the start is set again after this long, to be sure.", edge=EDGE
    )
