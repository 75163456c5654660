"""A failure of the hub, the network or the disk -> one sentence that says what to do."""

import errno
import json
import os
import re
from contextlib import contextmanager
from pathlib import Path

from pythia_course.errors import DiskFull, HubUnreachable, ModelDamaged, ModelNotFound, StepNotFound
from pythia_course.hub.addresses import Place, no_step, similar
from pythia_course.hub.patience import SECONDS_TO_ANSWER, asked_to_wait, within

_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_FOLDER = (errno.ENOTDIR, errno.EEXIST)
_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def plain_errors(place: Place):
    """Say a failure of the hub, the network or the disk in one sentence, without the library's traceback."""
    from huggingface_hub import errors

    try:
        yield
    except (ModelDamaged, HubUnreachable, DiskFull):
        raise
    except (errors.HTTPError, errors.EntryNotFoundError, errors.HFValidationError, OSError) as error:
        raise _plain(error, place) from None
    except json.JSONDecodeError:
        raise HubUnreachable(
            f"What answered when the hub was asked for {place} is not the hub; perhaps this network wants you to log "
            "in: open any web page, then try again."
        ) from None
    except Exception as error:
        if said := _of_the_proxy(error):
            raise HubUnreachable(said) from None
        raise


def _of_the_proxy(error: Exception) -> str:
    """What is wrong with the proxy that the environment names, if that is what an HTTP library stumbled over."""
    named = [name for name in os.environ if re.fullmatch(r"(HTTPS?|ALL)_PROXY", name, re.IGNORECASE)]
    where = " or ".join(sorted(named)) or "the proxy of this system"
    if isinstance(error, ImportError) and "socks" in str(error).lower():
        return (
            f"{where} names a SOCKS proxy, which takes one more package: python -m pip install socksio, or unset it "
            "where the hub can be reached without."
        )
    if type(error).__name__ == "InvalidURL" or isinstance(error, ValueError) and "proxy" in str(error).lower():
        return (
            f"The hub cannot be asked, because {where} or HF_ENDPOINT is no web address ({error}): it looks like "
            "http://proxy.example.org:3128."
        )
    return ""


def _plain(error: Exception, place: Place) -> Exception:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return ModelNotFound(f"{place.hub_id} is gated: accept its terms on the hub and log in first.")
    if isinstance(error, (errors.RepositoryNotFoundError, errors.HFValidationError)):
        return ModelNotFound(f"The hub has no model {place.hub_id}, or it is private{similar(place.hub_id)}")
    if isinstance(error, errors.RevisionNotFoundError):
        return StepNotFound(_steps_there(place))
    if isinstance(error, errors.HfHubHTTPError):
        return _refusal(error.response, place)
    unreachable = (errors.HTTPError, errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError, TimeoutError)
    if isinstance(error, unreachable):
        return HubUnreachable(
            f"{place} is not on this machine yet, and the hub cannot be reached ({_reason(error)}): connect "
            "to the network and try again, or open tiny-pythia, which needs none."
        )
    return _of_the_disk(error, place)


def _refusal(reply, place: Place) -> Exception:
    """What an answer other than the file asked for means."""
    status, wait = reply.status_code, asked_to_wait(reply)
    if status == 401:
        return ModelNotFound(f"The hub does not accept your login (401) for {place}: log in again, or log out.")
    if status == 403:
        return ModelNotFound(f"You may not read {place} (403): the hub, or a filter of this network, says no.")
    if status == 404:
        file = reply.url.path.rsplit("/", 1)[-1]
        return HubUnreachable(f"The hub lists {file} of {place} but does not have it (404): try another step or model.")
    if status == 429:
        again = f"in {-(-wait // 60)} min" if wait else "in some minutes"
        return HubUnreachable(
            f"The hub is busy (429) and serves no more of {place} for now: try again {again}; all who share an address "
            "share its limit, and who logs in has a larger one."
        )
    return HubUnreachable(f"The hub answered {status} when asked for {place}: try again in a minute.")


def _of_the_disk(error: OSError, place: Place) -> Exception:
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in _FULL:
        return DiskFull(f"The disk is too full for {place}: free some space and try again; what has come stays.")
    if error.errno in _NOT_WRITABLE:
        return HubUnreachable(
            f"{place} is not on this machine yet, and its cache cannot be written to{where}: ask whoever keeps it, or "
            "set HF_HUB_CACHE to a folder of your own."
        )
    if error.errno in _NO_FOLDER and error.filename:
        return HubUnreachable(
            f"Nothing of {place} can be fetched, because {_in_the_way(error)} is a file, and a folder belongs there: "
            "delete it, or set HF_HUB_CACHE to another folder."
        )
    return HubUnreachable(f"Fetching {place} was interrupted ({_reason(error)}): try again.")


def _in_the_way(error: OSError) -> str:
    """The file on the way to a path that could not be made."""
    path = Path(error.filename or "")
    return str(next((each for each in (path, *path.parents) if each.exists() and not each.is_dir()), path))


def _reason(error: Exception) -> str:
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    lines = str(error.__cause__ or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _steps_there(place: Place) -> str:
    """What checkpoints the hub does have of a model, when the one asked for is missing."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError

    try:
        refs = within(SECONDS_TO_ANSWER, lambda: HfApi().list_repo_refs(place.hub_id))
    except (HTTPError, OSError):
        return f"The hub has no step {place.step} of {place.hub_id}, and does not say which it has."
    steps = (branch.name for branch in refs.branches if re.fullmatch(r"step\d+", branch.name))
    available = tuple(sorted(int(name.removeprefix("step")) for name in steps))
    if not available:
        return f"{place.hub_id} has no training checkpoints on the hub: leave step out."
    return no_step(place.name, place.step, available)
