"""How long to wait for the hub, and the retry: not for ever where it is silent, as it asks where it is busy (429)."""

import math
import queue
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

SECONDS_TO_ANSWER = 10
LONGEST_WAIT = 300  # seconds in all; the hub counts requests in windows of five minutes
BUSY, BROKEN = (429, 503), (500, 502, 503, 504)


def within(seconds: float, ask: Callable):
    """What ask() gives or raises; TimeoutError when it takes longer than this.

    It runs in a thread of its own, because looking up a hub's name can take half a minute, and no timeout of an
    HTTP library ends that.
    """
    answers = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(_outcome(ask)), daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} seconds") from None
    if error is not None:
        raise error
    return answer


def _outcome(ask: Callable) -> tuple:
    try:
        return ask(), None
    except Exception as error:
        return None, error


def patiently(ask: Callable, waiting: Callable[[int], None]):
    """What ask() gives; it is asked again after the time a busy hub names, and once where the hub broke down.

    waiting: called each second with the seconds left.  Raises the hub's own answer where that names no time, or
    more than LONGEST_WAIT in all.
    """
    from huggingface_hub.errors import HfHubHTTPError

    left, broken = LONGEST_WAIT, 0
    while True:
        try:
            return ask()
        except HfHubHTTPError as error:
            seconds = asked_to_wait(error.response)
            if seconds is None and error.response.status_code in BROKEN and not broken:
                seconds = broken = 1
            if seconds is None or seconds > left:
                raise
        left -= max(1, seconds)
        for second in range(seconds, 0, -1):
            waiting(second)
            time.sleep(1)


def asked_to_wait(reply) -> int | None:
    """Seconds that a busy hub asks to wait before the next request; None where it names no time."""
    from huggingface_hub.utils import parse_ratelimit_headers

    if reply.status_code not in BUSY:
        return None
    limit, value = parse_ratelimit_headers(reply.headers), reply.headers.get("Retry-After", "").strip()
    if limit and limit.remaining == 0:
        return limit.reset_in_seconds
    if value.isdecimal():
        return int(value)
    try:
        return max(0, math.ceil((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()))
    except (ValueError, TypeError):  # no date, or one without a time zone
        return None
