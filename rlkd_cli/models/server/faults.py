"""What a server's answer means: it ends the run, rejects this record, or passes. Decided here
alone.

Codes and types come first (`CODES`), then the status, and wording only where these say nothing. All
of it looks at the text as the server wrote it; keys are hidden when it is shown. The codes are
those of OpenAI, Azure, Anthropic, Gemini, DeepSeek, Mistral, Moonshot, Alibaba, OpenRouter, Groq,
vLLM, SGLang, llama.cpp, LiteLLM and one-api, as their documentation or their servers give them.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from rlkd_cli.models.server.said import Said, plain

END, REJECT, RETRY, SLOW, AWAY = "end", "reject", "retry", "slow", "away"
PASSING = (RETRY, SLOW, AWAY)
SERVERS_FAULT = (  # reasons to finish that say that the server failed, not the text
    *("error", "abort", "aborted", "cancelled", "timeout", "server_error", "internal_error"),
    *("insufficient_system_resource", "overloaded", "network_error", "failed", "unknown"),
)


class Fault(Exception):
    """An answer that is no reply. `after` is what the server asked to wait, in seconds."""

    def __init__(
        self,
        kind: str,
        code: str,
        text: str,
        after: float | None = None,
        said: Said | None = None,
    ) -> None:
        self.kind, self.code, self.text, self.after, self.said = kind, code, text, after, said
        self.silent = False  # no answer at all, not even the beginning of one
        self.status = 0  # of HTTP, where there was an answer
        super().__init__(text)


def _rows(kind: str, code: str, names: str) -> dict[str, tuple[str, str]]:
    return {plain(name): (kind, code) for name in names.split()}


FILTERED, TOO_LONG = (REJECT, "content_filter"), (REJECT, "too_long")
CODES: dict[str, tuple[str, str]] = {  # (what it means, the reject's code), the first that fits
    **_rows(
        *FILTERED,
        """content_filter content_policy_violation content_policy ResponsibleAIPolicyViolation
        data_inspection_failed DataInspectionFailed moderation_blocked content_moderation flagged
        flagged_input moderation invalid_prompt prompt_blocked prohibited_content safety
        sensitive content_filtered guardrail_violation guardrail_intervened cyber_policy_violation
        policy_violation input_moderation sensitive_words_detected""",
    ),
    **_rows(
        *TOO_LONG,
        """context_length_exceeded exceed_context_size_error ContextWindowExceededError
        context_window_exceeded string_above_max_length prompt_too_long request_too_large
        input_too_long input_length_exceeded max_context_length_exceeded tokens_limit_reached""",
    ),
    **_rows(
        END,
        "quota",
        """insufficient_quota insufficient_user_quota pre_consume_token_quota_failed
        billing_hard_limit_reached billing_not_active billing_error insufficient_balance
        insufficient_funds insufficient_credits payment_required exceeded_current_quota_error
        quota_exceeded daily_limit_exceeded budget_exceeded Arrearage account_overdue
        AllocationQuota.FreeTierOnly spending_limit_reached out_of_credits credits_exhausted""",
    ),
    **_rows(
        END,
        "no_access",
        """invalid_api_key incorrect_api_key API_KEY_INVALID authentication_error
        AuthenticationError
        invalid_authentication_error invalid_authentication unauthorized UNAUTHENTICATED
        permission_denied permission_error PermissionDeniedError account_deactivated
        account_suspended access_terminated access_terminated_error expired_key key_expired
        token_expired invalid_token missing_api_key no_api_key key_model_access_denied
        unsupported_country_region_territory organization_restricted ip_not_authorized
        model_terms_required model_permission_blocked access_denied""",
    ),
    **_rows(
        END,
        "no_model",
        """model_not_found ModelNotFoundError DeploymentNotFound deployment_not_found
        not_found_error NotFoundError no_such_model invalid_model unknown_model unknown_url
        model_decommissioned model_deprecated model_not_supported model_not_available
        model_retired invalid_model_error""",
    ),
    **_rows(
        SLOW,
        "http_429",
        """rate_limit_exceeded rate_limit_error rate_limit_reached rate_limited RateLimitError
        rate_limit_reached_error too_many_requests throttled throttling RESOURCE_EXHAUSTED
        ThrottlingException Throttling.RateQuota requests tokens slow_down""",
    ),
    **_rows(
        RETRY,
        "server_error",
        """server_error internal_server_error InternalServerError internal_error INTERNAL
        overloaded_error engine_overloaded engine_overloaded_error server_overloaded overloaded
        service_unavailable ServiceUnavailableError UNAVAILABLE timeout timeout_error
        DEADLINE_EXCEEDED api_error upstream_error provider_error bad_gateway api_connection_error
        internal_failure server_busy""",
    ),
}
_ORDER = ("content_filter", "too_long", "quota", "no_access", "no_model", "http_429")

_LONG = re.compile(
    r"context[ _]?(length|window|size)|maximum context|prompt is too long"
    r"|(prompt|inputs?|request|messages?|sequence)( length| size)?( tokens?)?( \([^)]*\))?"
    r"( is| are| was)? (too (long|large|big)|(longer|greater|larger) than)"
    r"|(inputs?|prompt|context|tokens?)\W?( \w+){0,2}( \([^)]*\))? (exceeds?|must (be|have) less)"
    r"|exceeds? (the |this |its )?(\w+ ){0,3}(context|token limit|number of tokens|input limit)"
    r"|reduce the length|too many (input |prompt )?tokens|(input|prompt) is too long",
    re.IGNORECASE,
)
_BROKE = re.compile(
    r"insufficient[ _](account |user )?(balance|quota|credits?|funds)|payment required"
    r"|(out of|no|not enough|more) (api )?(credits?|quota|balance)\b|credit balance|in arrears"
    r"|(exceeded|over|reached|exhausted) (your|the) ((current|monthly|daily|api|usage|plan'?s?) )*"
    r"(quota|spend|spending|credits?|balance|budget)|billing (hard )?limit"
    r"|check your (plan|billing)"
    r"|(balance|credits?) (is |are |has been )?(too low|insufficient|exhausted|used up)"
    r"|account is (not active|overdue|suspended|deactivated)|spending limit",
    re.IGNORECASE,
)
_LOCKED_OUT = re.compile(
    r"(invalid|incorrect|expired|missing|wrong|no|bad|revoked|provide an?)( \w+)? api[ _-]?key"
    r"|api[ _-]?key( \w+){0,2} (not (valid|found)|invalid|incorrect|expired|missing|revoked)"
    r"|(invalid|expired|missing) (authentication|credentials|access token|bearer)"
    r"|\b(account|organi[sz]ation|project|api key|user)\b.{0,40}"
    r"\b(suspended|deactivated|disabled|banned|blocked|terminated|not active|inactive)",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"(unknown|invalid|no such|not a valid) model\b"
    r"|\bmodel\b.{0,80}?(does ?n[o']t exist|not exist|not found|decommissioned|no longer"
    r"|has been (removed|retired|shut ?down|deprecated)|is not (available|supported|a valid))",
    re.IGNORECASE,
)
_FLAGGED = re.compile(
    r"flagged|moderat|content[ _-](policy|filter|management)|safety|inappropriate"
    r"|usage polic|acceptable use|content exists risk|sensitive (content|words?)",
    re.IGNORECASE,
)
_A_DAY = re.compile(r"per[ _-]?day|\bdaily\b|\b[rt]pd\b", re.IGNORECASE)
_LOADING = re.compile(r"\bload(ing)? (the )?model|model.{0,40}\bloading", re.IGNORECASE)


def fault_of(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Fault:
    """What an answer that is no reply means. `body` is bytes, or the JSON of an error in a reply.

    An error inside a reply (`status` 200) is judged by the status that its code names.
    """
    said = Said.of(body)
    inside = status < 400
    if inside and said.status:
        status = said.status
    after = retry_after(headers or {}, said.text, said.delay)
    kind, code = _decide(status, said, after)
    if kind == SLOW and inside:
        kind = RETRY  # one of the providers behind a server, not the server: this request's trouble
    text = f"HTTP {status}: {said.text}" if status >= 300 else said.text
    return Fault(kind, code, text, after, said)


def _decide(status: int, said: Said, after: float | None) -> tuple[str, str]:
    """(what it means, the reject's code)."""
    meant = [CODES[name] for name in said.codes if name in CODES]
    for code in _ORDER:
        found = next((row for row in meant if row[1] == code), None)
        if found and not (code == "http_429" and status >= 500):
            return _limit(said, after) if code == "http_429" else found
    if status == 429:
        return (END, "quota") if _BROKE.search(said.text) else _limit(said, after)
    if 400 <= status < 500:
        return _refused(status, said, bool(meant))
    if status < 300:  # an error inside a reply that names no status
        found = _refused(400, said, bool(meant))
        return (RETRY, "server_error") if found[1] == "http_400" and found[0] != END else found
    if _LONG.search(said.text):  # llama.cpp and others answer 500 to it
        return TOO_LONG
    if status == 503 and _LOADING.search(said.text):
        return AWAY, "loading"
    if status in (501, 505) or 300 <= status < 400:
        return END, f"http_{status}"
    return RETRY, f"http_{status}" if status >= 400 else "server_error"


def _limit(said: Said, after: float | None) -> tuple[str, str]:
    """Too many requests: waited out, but for a day's limit, and a request above a minute's."""
    if "requesttoolarge" in plain(said.text[:40]):
        return TOO_LONG
    of_a_day = any("perday" in code for code in said.codes)
    if of_a_day or (after is None and _A_DAY.search(said.text)):
        return END, "quota"
    return SLOW, "http_429"


def _refused(status: int, said: Said, passes: bool) -> tuple[str, str]:
    """A refusal (4xx) whose codes say nothing certain, by its status and then by its words."""
    if status == 403 and _LOCKED_OUT.search(said.text):
        return END, "no_access"
    if status in (403, 400, 422, 451) and _FLAGGED.search(said.text):
        return FILTERED
    if status in (401, 402, 403, 404, 405, 407, 410):
        code = {401: "no_access", 402: "quota", 403: "no_access"}.get(status, f"http_{status}")
        return END, code
    if status in (408, 409, 425, 499) or passes:
        return RETRY, f"http_{status}"
    if any(words.search(said.text) for words in (_LOCKED_OUT, _BROKE, _NO_MODEL)):
        return END, f"http_{status}"
    return TOO_LONG if status == 413 or _LONG.search(said.text) else (REJECT, f"http_{status}")


def retry_after(
    headers: Mapping[str, str], text: str = "", delay: float | None = None
) -> float | None:
    """Seconds that a server asks to wait, None where it does not say.

    By its header (seconds, or a date), its error's body, its words.
    """
    wanted = headers.get("Retry-After", "").strip()
    if (ms := headers.get("Retry-After-Ms", "").strip()) and re.fullmatch(r"\d+(\.\d+)?", ms):
        return float(ms) / 1000
    if re.fullmatch(r"\d+(\.\d+)?", wanted):
        return float(wanted)
    if wanted:
        try:
            return max(0.0, parsedate_to_datetime(wanted).timestamp() - time())
        except (ValueError, TypeError):
            return delay
    return _in_words(text) if delay is None else delay


def _in_words(text: str) -> float | None:
    """Seconds, of "Please try again in 1m12.5s" or "retry after 6 seconds"; None for none."""
    found = re.search(
        r"(?:try again|retry|wait)\b[^\d.;]{0,20}?\b(?:in|after|for)? ?((?:\d+(?:\.\d+)? ?(?:ms"
        r"|hours?|minutes?|min|seconds?|secs?|[hms])(?![a-z])[ ,]*)+)",
        text,
        re.IGNORECASE,
    )
    if not found:
        return None
    worth = {"ms": 0.001, "h": 3600.0, "m": 60.0, "s": 1.0}
    parts = re.findall(r"(\d+(?:\.\d+)?) ?(ms|[hms])", found.group(1).lower())
    return sum(float(number) * worth[unit] for number, unit in parts)
