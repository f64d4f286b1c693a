"""A worker that the broker shuts out while it runs leaves: aiokafka would try for ever, and only its log tells."""

import logging
import os
import ssl
import time
from typing import Final

from aiokafka.errors import NotEnoughReplicasError, SaslAuthenticationFailed

from schemas.access import sasl
from schemas.environment import Shared
from schemas.exit_codes import REFUSED
from schemas.logs import OnceAMinute, last_words

CLIENT: Final = "aiokafka"
SENDER: Final = "aiokafka.producer.sender"
LOGGERS: Final = {
    CLIENT: 2,
    "aiokafka.consumer.group_coordinator": 2,
    "aiokafka.consumer.fetcher": 2,
    SENDER: 3,
}
"""Loggers that repeat themselves while there is no broker, and the words that tell their complaints apart."""


def watch_for_refusals(settings: Shared) -> None:
    """From now on leave with 77 on a refused login or certificate; other complaints are logged once a minute."""
    logging.getLogger(SENDER).addFilter(LastingLack())
    for name, words in LOGGERS.items():
        logging.getLogger(name).addFilter(OnceAMinute(words))
    logging.getLogger(CLIENT).filters.insert(0, _leaving(settings))


class LastingLack(logging.Filter):
    """Holds back a lack of replicas until it has lasted.

    A broker that has still to verify a transaction's first write to a partition answers the same: it is asked again in
    milliseconds and nothing is the matter.
    """

    LASTS_S = 1.0
    APART_S = 0.2
    """Asked again within milliseconds: what comes later is another one."""

    def __init__(self) -> None:
        super().__init__()
        self._since: dict[str, tuple[float, float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not isinstance(record.args, tuple) or NotEnoughReplicasError not in record.args:
            return True
        now, partition = time.monotonic(), str(record.args[0])
        since, last = self._since.get(partition, (now, now))
        if now - last > self.APART_S:
            since = now
        self._since[partition] = since, now
        return now - since >= self.LASTS_S


def _leaving(settings: Shared) -> logging.Filter:
    class Leaving(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            for each in record.args if isinstance(record.args, tuple) else ():
                if isinstance(each, SaslAuthenticationFailed | ssl.SSLCertVerificationError):
                    _leave(settings, each)
            return True

    return Leaving()


def _leave(settings: Shared, error: BaseException) -> None:
    who = f"{settings.sasl_username} by {settings.sasl_mechanism}" if sasl(settings) else "our certificate"
    refused = isinstance(error, SaslAuthenticationFailed)
    why = f"the broker refuses the login of {who}" if refused else "the broker's certificate is not trusted"
    said = f"stockstream worker leaves (exit {REFUSED}): {settings.bootstrap}: {why}: {error}"
    last_words("critical", said, exit_code=REFUSED)
    os._exit(REFUSED)
