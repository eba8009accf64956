"""What the configuration says about logins without passwords in the clear, as `quantummail.auth` takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from quantummail.auth.methods import MethodSettings

if TYPE_CHECKING:
    from typing import Literal

    from quantummail.auth.introspection import Introspection
    from quantummail.config import Config


def methods(config: Config) -> MethodSettings:
    """SCRAM, and client certificates."""
    login = config.login
    return MethodSettings(
        scram=cast("Literal['auto', 'yes', 'no']", login.scram), scram_iterations=login.scram_iterations,
        certificates={certified.fingerprint: certified.address for certified in login.certificates})


def introspection(config: Config, reactor: Any) -> Introspection | None:
    """Who is asked about tokens; None: nobody."""
    oauth = config.oauth
    if not oauth.introspection_url:
        return None
    # loads an HTTP client, which other servers do without
    from quantummail.auth.introspection import Introspection, IntrospectionSettings, make_agent

    settings = IntrospectionSettings(
        oauth.introspection_url, oauth.client_id, oauth.client_secret, oauth.username_claims, oauth.scopes,
        oauth.audience, oauth.timeout, oauth.remembered_for, oauth.openid_configuration)
    return Introspection(settings, make_agent(reactor, oauth.timeout), reactor)
