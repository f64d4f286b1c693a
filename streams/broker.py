"""How a worker gets in at the broker: the same settings in aiokafka's words and in Faust's."""

import asyncio
import base64
import contextlib
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import faust
from aiokafka import AIOKafkaProducer
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError, KafkaError

from schemas.access import checked, encrypted, password, sasl, tls, token_endpoint
from schemas.confidential import CONFIDENTIAL
from schemas.environment import Shared

EARLY_S = 30.0
"""How long before its end a token is replaced."""


class Tokens(AbstractTokenProvider):
    """OAUTHBEARER tokens by the client credentials grant (RFC 6749, 4.4), kept until shortly before they end."""

    def __init__(self, settings: Shared) -> None:
        super().__init__()
        self._settings = settings
        self._token, self._until = "", 0.0

    async def token(self) -> str:
        """The token in force; raises aiohttp.ClientError when the identity provider does not give one."""
        if time.monotonic() >= self._until:
            form = {"grant_type": "client_credentials"}
            if self._settings.sasl_scope:
                form["scope"] = self._settings.sasl_scope
            pair = f"{self._settings.sasl_username}:{password(self._settings)}".encode()
            who = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
            timeout = aiohttp.ClientTimeout(total=10)
            async with (
                aiohttp.ClientSession(headers=who, timeout=timeout, raise_for_status=True) as session,
                session.post(self._settings.sasl_token_url, data=form, ssl=token_endpoint(self._settings)) as answer,
            ):
                said = await answer.json()
            CONFIDENTIAL.forget(self._token)
            self._token = CONFIDENTIAL.keep(said["access_token"])
            self._until = time.monotonic() + max(0.0, float(said.get("expires_in", 300)) - EARLY_S)
        return self._token


def client(settings: Shared) -> dict[str, Any]:
    """What aiokafka's consumers and producers need; raise SettingError."""
    checked(settings)
    conf: dict[str, Any] = {"bootstrap_servers": settings.bootstrap, "security_protocol": settings.security_protocol}
    if encrypted(settings):
        conf["ssl_context"] = tls(settings)
    if sasl(settings):
        conf["sasl_mechanism"] = settings.sasl_mechanism
        if settings.sasl_mechanism == "OAUTHBEARER":
            conf["sasl_oauth_token_provider"] = Tokens(settings)
        else:
            conf |= {"sasl_plain_username": settings.sasl_username, "sasl_plain_password": password(settings)}
    return conf


def credentials(settings: Shared) -> Any:
    """The same for Faust's own consumer; None where the broker asks for nothing."""
    conf = client(settings)
    context = conf.get("ssl_context")
    if not sasl(settings):
        return faust.SSLCredentials(context) if context is not None else None
    if settings.sasl_mechanism == "OAUTHBEARER":
        return faust.auth.OAuthCredentials(oauth_cb=conf["sasl_oauth_token_provider"], ssl_context=context)
    return faust.SASLCredentials(
        username=conf["sasl_plain_username"],
        password=conf["sasl_plain_password"],
        ssl_context=context,
        mechanism=settings.sasl_mechanism,
    )


async def takes_transactions(conf: Mapping[str, Any], transactional_id: str, within_s: float) -> bool:
    """Whether a producer that starts now is let begin: there is a coordinator, and copies enough of its log.

    A client of its own, so that one of ours that hangs does not pass for a broker that is away.
    """
    producer = AIOKafkaProducer(**conf, transactional_id=transactional_id)
    try:
        await asyncio.wait_for(producer.start(), within_s)
    except (TimeoutError, OSError, KafkaConnectionError, aiohttp.ClientError):
        return False
    except KafkaError:  # refused, that is answered: a new start will say so
        return True
    finally:
        with contextlib.suppress(TimeoutError, KafkaError, OSError):
            await asyncio.wait_for(producer.stop(), within_s)
    return True
