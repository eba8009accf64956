"""The base subject, by which messages are sorted and threaded (RFC 5256 2.1)."""

from __future__ import annotations

import re

# RFC 5256 5:
#   subj-leader   = (*subj-blob subj-refwd) / WSP
#   subj-refwd    = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"
#   subj-blob     = "[" *BLOBCHAR "]" *WSP
#   subj-trailer  = "(fwd)" / WSP
#   subj-fwd      = subj-fwd-hdr subject subj-fwd-trl      ("[fwd:" ... "]")
_blob = re.compile(r"\[[^\[\]]*+\]\s*+")
_reply = re.compile(r"(?:re|fwd?)\s*+(?:\[[^\[\]]*+\]\s*+)?:\s*+", re.IGNORECASE)
_white_space = re.compile(r"\s+")
_TRAILER = "(fwd)"
_FORWARD = "[fwd:"


def base_subject(subject: str) -> str:
    """The subject (decoded) without "Re:", "[list]", "(fwd)" and the like. Case is kept: compare without it."""
    return split_subject(subject)[0]


def split_subject(subject: str) -> tuple[str, bool]:
    """The base subject, and whether the subject says that this is a reply or a forward (RFC 5256 section 3)."""
    if "  " in subject or not subject.isprintable():
        subject = _white_space.sub(" ", subject)
    subject = subject.strip()
    if not subject or (subject[0] not in "rRfF[" and subject[-1] != ")"):
        return subject, False
    start, end = 0, len(subject)
    answers = False
    while True:
        trailers = _without_trailers(subject, start, end)
        leaders, replies = _after_leaders(subject, start, trailers)
        # a list's blob that is gone makes no reply
        answers = answers or replies or (trailers < end and not subject[trailers:end].isspace())
        start, end = leaders, trailers
        if not (subject[start:start + 5].lower() == _FORWARD and subject[end - 1:end] == "]" and end - start > 5):
            return subject[start:end], answers
        # step 6: "[fwd:" and "]" around the rest go, and all begins again
        answers = True
        start = _skip_spaces(subject, start + 5, end - 1)
        end -= 1


def _without_trailers(subject: str, start: int, end: int) -> int:
    """Step 2."""
    while end > start:
        if subject[end - 1] == " ":
            end -= 1
        elif subject[max(start, end - 5):end].lower() == _TRAILER:
            end -= 5
        else:
            break
    return end


def _after_leaders(subject: str, start: int, end: int) -> tuple[int, bool]:
    """Steps 3 to 5, each character being looked at once: a run of blobs belongs to a "Re:" behind it, or goes alone.

    Where the rest begins, and whether there was a "Re:" or the like.
    """
    replies = False
    while True:
        position = start
        alone = start
        while blob := _blob.match(subject, position, end):
            # step 4: a blob goes only if something is left behind it
            if blob.end() < end:
                alone = blob.end()
            position = blob.end()
        reply = _reply.match(subject, position, end)
        if reply is None:
            # "[fwd: ...]" is no blob but step 6's, and a blob that is all there is stays
            return alone, replies
        start = reply.end()
        replies = True


def _skip_spaces(subject: str, start: int, end: int) -> int:
    while start < end and subject[start] == " ":
        start += 1
    return start
