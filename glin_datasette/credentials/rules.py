"""The rules for credentials that are known by their looks: what a service's tokens begin
with, and how a private key or a password in an URL is written.

Those of detect-secrets are used as they are where its expressions can be run over any
text. Some are left out: its OpenAI and npm rules take a time that grows with the square of
a line's length, and the looser half of its Artifactory rule takes words for passwords.
What we have for these, and what it has no rule for, is defined here in its terms.

This module loads detect-secrets, and requests with it: only :mod:`.detector` imports it,
when the first text is searched. Nothing calls ``verify``, which would send what was found
to the service it belongs to.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from detect_secrets.plugins.artifactory import ArtifactoryDetector
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.cloudant import CloudantDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.ibm_cloud_iam import IbmCloudIamDetector
from detect_secrets.plugins.ibm_cos_hmac import IbmCosHmacDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.softlayer import SoftlayerDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

from .values import is_filler, is_hash, is_random, is_url_password

__all__ = ["RULES", "Rule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One kind of credential, and how to find it fast.

    A text is searched only around what ``trigger`` finds, from ``before`` characters in
    front of it to ``span`` behind it: what an expression costs is bounded, whatever the
    text is.
    """

    kind: str
    patterns: tuple[re.Pattern[str], ...]
    #: An expression that begins with letters as they are, which is what makes it fast.
    trigger: str
    #: Whether ``trigger`` is in lower case and looked for without regard to it.
    folded: bool = False
    before: int = 0
    span: int = 600
    #: Whether the whole of what is found is the credential, and no part of a longer word.
    token: bool = False
    #: Whether a longer run of token characters is something else, and not a longer token.
    exact: bool = False
    #: What the credential must be beyond that.
    accepts: Callable[[str], bool] = is_random
    #: All of one, from its beginning in a text, if the expression cannot say.
    whole: Callable[[str, int], tuple[int, int]] | None = None


def _rule(
    kind: str,
    detector: type[RegexBasedDetector],
    trigger: str,
    *,
    only: int | None = None,
    **more: Any,
) -> Rule:
    patterns = tuple(_patterns(detector))
    chosen = patterns if only is None else (patterns[only],)
    return Rule(kind=kind, patterns=chosen, trigger=trigger, **more)


def _patterns(detector: type[RegexBasedDetector]) -> Iterable[re.Pattern[str]]:
    found: Iterable[re.Pattern[str]] = detector().denylist
    return found


class AnthropicDetector(RegexBasedDetector):
    """API keys and OAuth tokens of Claude."""

    secret_type = "Anthropic API key"
    denylist = (re.compile(r"sk-ant-[a-z0-9]{2,12}-[\w-]{20,250}", re.ASCII),)


class OpenAIDetector(RegexBasedDetector):
    """Keys of OpenAI, and of the many services that write theirs alike."""

    secret_type = "OpenAI API key"
    denylist = (
        re.compile(
            r"sk-(?!ant-)(?:(?:proj|svcacct|admin|or-v1|None)-)?[A-Za-z0-9_-]{20,250}", re.ASCII
        ),
    )


class GitHubFineGrainedDetector(RegexBasedDetector):
    """Personal access tokens of the newer kind."""

    secret_type = "GitHub token"
    denylist = (re.compile(r"github_pat_\w{36,255}", re.ASCII),)


class StripeTestDetector(RegexBasedDetector):
    """Keys that reach no money, but an account."""

    secret_type = "Stripe key"
    denylist = (re.compile(r"[rs]k_test_[A-Za-z0-9]{24,120}"),)


class DigitalOceanDetector(RegexBasedDetector):
    """Personal, OAuth and refresh tokens."""

    secret_type = "DigitalOcean token"
    denylist = (re.compile(r"do[opr]_v1_[0-9a-f]{64}"),)


class SlackAppDetector(RegexBasedDetector):
    """The kinds of Slack tokens that came later."""

    secret_type = "Slack token"
    denylist = (re.compile(r"(?:xox[a-z]|xapp)(?:[.-][A-Za-z0-9%]{1,300}){2,8}", re.ASCII),)


class JwtDetector(RegexBasedDetector):
    """JSON Web Tokens with their signature, which the rule of detect-secrets leaves out.
    A title may hold only the beginning of one."""

    secret_type = "JSON Web Token"
    denylist = (
        re.compile(r"eyJ[\w-]{10,2000}={0,2}\.[\w-]{8,8000}={0,2}(?:\.[\w-]{0,2000})*", re.ASCII),
    )


class UrlPasswordDetector(RegexBasedDetector):
    """``postgres://ada:password@host``. Passwords may hold more characters than the rule
    of detect-secrets lets them have."""

    secret_type = "password in a URL"
    denylist = (
        re.compile(r"""://[^\s/@:"'<>`\\]{0,100}:([^\s/@"'<>`\\]{3,200})@[\w\[{$%]""", re.ASCII),
    )


class BearerDetector(RegexBasedDetector):
    """``Authorization: Bearer …``"""

    secret_type = "bearer token"
    denylist = (re.compile(r"bearer[ \t]+([\w.~+/-]{16,4000}={0,2})", re.ASCII | re.IGNORECASE),)


class BasicDetector(RegexBasedDetector):
    """``Authorization: Basic …``"""

    secret_type = "basic authorization"
    denylist = (
        re.compile(
            r"authorization[\"']?[ \t]*[:=,][ \t]*[\"']?basic[ \t]+([A-Za-z0-9+/]{8,400}={0,2})",
            re.ASCII | re.IGNORECASE,
        ),
    )


def _has_header(token: str) -> bool:
    """Whether a JSON Web Token begins with what one begins with."""
    head = token.partition(".")[0].rstrip("=")
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return False
    return isinstance(header, dict) and "alg" in header


def _is_name_and_password(value: str) -> bool:
    try:
        text = base64.b64decode(value + "=" * (-len(value) % 4)).decode()
    except (binascii.Error, ValueError):
        return False
    _, colon, password = text.partition(":")
    return bool(colon and password and text.isprintable()) and is_url_password(password)


def _is_bot_id(token: str) -> bool:
    """Whether a token of Discord begins with the number of its bot."""
    head = token.partition(".")[0]
    try:
        return base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)).isdigit()
    except (binascii.Error, ValueError):
        return False


def _is_no_hash(value: str) -> bool:
    return is_random(value) and not is_hash(value)


def _is_test_key(value: str) -> bool:
    return not is_filler(value.partition("_test_")[2])


def _is_no_filler(value: str) -> bool:
    return not is_filler(value)


#: The longest private key that is looked for: an RSA key of 16,384 bits, and its wrapping.
_LONGEST_KEY = 20_000
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----|Private-MAC: [0-9a-f]+")
#: A key whose end is missing goes on while its lines look like one: numbered by a tool,
#: quoted, or with the line ends escaped.
_KEY_TOP = re.compile(r"[A-Z0-9 ]{0,60}-{0,5}(?:[\s\\\"'>|+→]|[A-Za-z-]{3,20}: ?[^\n]{0,80}\n)*")
_KEY_BODY = re.compile(
    r"(?:[\s\\\"'>|+→]*(?:\d{1,5}[→:|\t] ?)?[A-Za-z0-9+/=]{16,})*[A-Za-z0-9+/=]*"
)
_KEY_AGAIN = re.compile("PRIVATE KEY|PuTTY-User-Key-File")


def _whole_key(text: str, start: int) -> tuple[int, int]:
    while text[start - 1 : start] == "-":
        start -= 1
    limit = start + _LONGEST_KEY
    named = _KEY_AGAIN.search(text, start, limit)
    top = _KEY_TOP.match(text, named.end() if named else start, limit)
    body = top.end() if top else start
    # Its last line names it again, and so does the next key.
    again = _KEY_AGAIN.search(text, body, limit)
    if again:
        limit = again.end() + 20
    if end := _KEY_END.search(text, body, limit):
        return start, end.end()
    found = _KEY_BODY.match(text, body, limit)
    return start, found.end() if found else body


def _has_body(block: str) -> bool:
    """Whether a private key is there, and not only the line that one begins with."""
    body = re.sub(r"^.{0,60}?-----|-----END.*|\\[nrt]|\W", "", block)
    return len(body) >= 64 and len(set(body)) >= 16


def _is_no_word(value: str) -> bool:
    """For what comes after a word of English."""
    return is_random(value) and any(c.isdigit() for c in value)


#: What services' tokens begin with, and what follows; of those that detect-secrets lacks.
_TOKENS = (
    ("Google API key", "AIza", r"[\w-]{35}"),
    ("Google OAuth secret", "GOCSPX-", r"[\w-]{28}"),
    ("Google access token", "ya29.", r"[\w-]{30,400}"),
    ("Hugging Face token", "hf_", r"[A-Za-z0-9]{30,60}"),
    ("npm token", "npm_", r"[A-Za-z0-9]{36}"),
    ("Groq API key", "gsk_", r"[A-Za-z0-9]{40,80}"),
    ("xAI API key", "xai-", r"[A-Za-z0-9]{40,120}"),
    ("Perplexity API key", "pplx-", r"[A-Za-z0-9]{40,80}"),
    ("Replicate token", "r8_", r"[A-Za-z0-9]{30,60}"),
    ("Stripe webhook secret", "whsec_", r"[A-Za-z0-9+/]{24,80}"),
    ("Vault token", "hvs.", r"[\w-]{24,300}"),
    ("Linear API key", "lin_api_", r"[A-Za-z0-9]{32,80}"),
    ("Shopify token", "shp", r"(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    ("Supabase token", "sb", r"(?:p_[0-9a-f]{40}|_secret_[\w-]{20,60})"),
    ("age key", "AGE-SECRET-KEY-1", r"[0-9A-Z]{58}"),
)

#: One search for what these have in common.
_UNDERSCORED = "_(?:live|pat|test|v1)_"
_GITLAB = "gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-"


def _token_rule(kind: str, literal: str, rest: str) -> Rule:
    pattern = re.compile(re.escape(literal) + rest, re.ASCII)
    return Rule(
        kind=kind,
        patterns=(pattern,),
        trigger=re.escape(literal),
        token=True,
        accepts=_is_no_filler,
    )


RULES: tuple[Rule, ...] = (
    *(_token_rule(*each) for each in _TOKENS),
    _rule("Anthropic API key", AnthropicDetector, "sk-", token=True, accepts=_is_no_filler),
    _rule("OpenAI API key", OpenAIDetector, "sk-", token=True),
    _rule("AWS access key", AWSKeyDetector, "A(?:KIA|SIA|BIA|CCA|3T)", only=0, token=True,
          exact=True, accepts=_is_no_filler),
    _rule("AWS secret key", AWSKeyDetector, "aws", only=1, folded=True, span=100,
          accepts=_is_no_hash),
    _rule("GitHub token", GitHubTokenDetector, "gh[pousr]_", token=True, accepts=_is_no_filler),
    _rule("GitHub token", GitHubFineGrainedDetector, _UNDERSCORED, before=6, token=True,
          accepts=_is_no_filler),
    _rule("GitLab token", GitLabTokenDetector, _GITLAB, token=True, span=1100),
    _rule("GitLab token", GitLabTokenDetector, "GR1348941", only=1, token=True),
    _rule("PyPI token", PypiTokenDetector, "pypi-AgE", token=True, accepts=_is_no_filler),
    _rule("Slack token", SlackDetector, "xox", only=0, token=True),
    _rule("Slack token", SlackAppDetector, "xox", token=True),
    _rule("Slack token", SlackAppDetector, "xapp-", token=True),
    _rule("Slack webhook", SlackDetector, r"hooks\.slack\.com", only=1, before=8, span=200,
          accepts=_is_no_filler),
    _rule("Stripe key", StripeDetector, _UNDERSCORED, before=2, span=200, token=True,
          accepts=_is_no_filler),
    _rule("Stripe key", StripeTestDetector, _UNDERSCORED, before=2, span=200, token=True,
          accepts=_is_test_key),
    _rule("DigitalOcean token", DigitalOceanDetector, _UNDERSCORED, before=3, token=True,
          accepts=_is_no_filler),
    _rule("SendGrid API key", SendGridDetector, r"SG\.", token=True, accepts=_is_no_filler),
    _rule("Square secret", SquareOAuthDetector, "sq0csp-", token=True, accepts=_is_no_filler),
    _rule("Telegram bot token", TelegramBotTokenDetector, ":A", before=10, span=40, token=True,
          exact=True),
    _rule("Mailchimp API key", MailchimpDetector, "-us", before=32, span=6, token=True, exact=True),
    _rule("Azure storage key", AzureStorageKeyDetector, "AccountKey=", span=120),
    _rule("Artifactory token", ArtifactoryDetector, "AKC", only=0, before=1, span=200),
    _rule("Discord bot token", DiscordBotTokenDetector, "discord", folded=True, before=200,
          token=True, accepts=_is_bot_id),
    _rule("Twilio key", TwilioKeyDetector, "twilio", folded=True, before=200, token=True,
          exact=True),
    _rule("Cloudant credential", CloudantDetector, "cloudant", folded=True, before=150, span=150),
    _rule("IBM Cloud key", IbmCloudIamDetector, "ibm", folded=True, span=120),
    _rule("IBM Cloud key", IbmCosHmacDetector, "ibm", folded=True, span=120),
    _rule("SoftLayer key", SoftlayerDetector, "softlayer", folded=True, before=10, span=150),
    _rule("private key", PrivateKeyDetector, "PRIVATE KEY", before=40, span=80, accepts=_has_body,
          whole=_whole_key),
    _rule("private key", PrivateKeyDetector, "PuTTY-User-Key-File", span=80, accepts=_has_body,
          whole=_whole_key),
    _rule("JSON Web Token", JwtDetector, "eyJ", token=True, span=12_000, accepts=_has_header),
    _rule("password in a URL", UrlPasswordDetector, "://", span=310, accepts=is_url_password),
    _rule("bearer token", BearerDetector, "bearer", folded=True, span=4_100, accepts=_is_no_word),
    _rule("basic authorization", BasicDetector, "authorization", folded=True, span=450,
          accepts=_is_name_and_password),
)  # fmt: skip
