"""What one Slack account needs to be told: the credentials of one Slack app."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

SWITCH_ON = (
    "Create an app at https://api.slack.com/apps (channels/slack/README.md has a manifest to paste), install it to the"
    " workspace, then give bot_token (OAuth & Permissions) and signing_secret (Basic Information), or app_token"
    " (App-Level Tokens, scope connections:write) with mode: socket. For many workspaces give client_id, client_secret"
    " and signing_secret (Basic Information) instead; each workspace then installs it by /slack/ACCOUNT/install."
)
"""How to get the credentials, for `frontdesk doctor` and the channel table."""

API_URL = "https://slack.com/api/"
"""Where the Web API lives; docs.slack.dev/apis/web-api. A stand-in is named here in tests."""


class AccountSettings(BaseModel):
    """One app, in one workspace by its bot token or in many by its client. `mode` tells which secret it needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["http", "socket"] = "http"
    """`http`: Slack calls our public URL. `socket`: we open a web socket to Slack; no public URL is needed."""
    bot_token: SecretStr | None
    """`xoxb-...`: every Web API call is made with it. None where workspaces install the app themselves."""
    client_id: str | None = None
    """With `client_secret`: the app is installed in any number of workspaces; each has a token of its own."""
    client_secret: SecretStr | None = None
    signing_secret: SecretStr | None = None
    """Proves that a request comes from Slack; needed in http mode."""
    previous_signing_secret: SecretStr | None = None
    """Still accepted while a new secret is being rolled out; remove it a day later."""
    app_token: SecretStr | None = None
    """`xapp-...` with scope connections:write; needed in socket mode."""
    api_url: str = API_URL
    assistant: bool = False
    """The app is set up as an assistant ("Agents & AI Apps"): its direct messages are threads with a status line."""
    catch_up_every_s: float = Field(default=300.0, ge=0)
    """So often Slack is asked for messages that it did not deliver, in seconds; 0 is never."""

    @model_validator(mode="before")
    @classmethod
    def _client_instead_of_token(cls, given: Any) -> Any:
        return {"bot_token": None} | given if isinstance(given, dict) and given.get("client_id") else given

    @field_validator("bot_token", "client_secret", "signing_secret", "previous_signing_secret", "app_token")
    @classmethod
    def _not_blank(cls, secret: SecretStr | None) -> SecretStr | None:
        """Refuse an empty secret: anybody could sign with it."""
        if secret is not None and not secret.get_secret_value().strip():
            raise ValueError("is empty; leave it out or give the value that Slack shows")
        return secret

    @model_validator(mode="after")
    def _secret_of_the_mode(self) -> Self:
        if (self.bot_token is None) != (self.client_id is not None and self.client_secret is not None):
            raise ValueError("give either bot_token, or client_id and client_secret")
        if (self.client_id is None) != (self.client_secret is None):
            raise ValueError("client_id and client_secret belong together")
        if self.client_id is not None and self.mode != "http":
            raise ValueError("client_id needs mode http: whoever installs the app comes to our address")
        if self.mode == "http" and self.signing_secret is None:
            raise ValueError(
                "mode http needs signing_secret (api.slack.com/apps > your app > Basic Information > App Credentials)"
            )
        if self.mode == "socket" and self.app_token is None:
            raise ValueError(
                "mode socket needs app_token (api.slack.com/apps > your app > Basic Information > App-Level Tokens,"
                " scope connections:write)"
            )
        return self

    def client(self) -> tuple[str, str] | None:
        """Return id and secret of the app where workspaces install it themselves; None where one token is all."""
        if self.client_id is None or self.client_secret is None:
            return None
        return self.client_id, self.client_secret.get_secret_value()

    def signing_secrets(self) -> tuple[str, ...]:
        """Return every secret that may have signed a request, the current one first."""
        secrets = (self.signing_secret, self.previous_signing_secret)
        return tuple(secret.get_secret_value() for secret in secrets if secret is not None)
