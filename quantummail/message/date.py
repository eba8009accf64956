"""The Date field (RFC 5322 3.3, 4.3): read, however it is written, and written."""

from __future__ import annotations

import math
import re
import time
from datetime import date
from functools import lru_cache

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTH_NUMBERS = {name.lower().encode(): number for number, name in enumerate(MONTHS, 1)}
"""From 1, by the names in lower case."""
EPOCH = date(1970, 1, 1).toordinal()
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# RFC 5322 4.3; hours east of Greenwich. Single letters were defined wrongly once and mean -0000.
_ZONES = {
    b"ut": 0, b"gmt": 0, b"utc": 0, b"est": -5, b"edt": -4, b"cst": -6, b"cdt": -5, b"mst": -7, b"mdt": -6,
    b"pst": -8, b"pdt": -7,
}
# A longer value is no date; everything below is bounded by this
_MAX_LENGTH = 256

# RFC 5322 3.3, 4.3:
#   date-time = [ day-of-week "," ] day month year hour ":" minute [ ":" second ] zone
# Weekdays are not compared with the date, in-between white space, dashes (RFC 850) and dots as in "10.30" are taken.
_date_time = re.compile(
    rb"(?:[a-z]{2,9}[.,]*\s*,?\s*)?(\d{1,2})(?:\s+|-)([a-z]{3})[a-z]*\.?(?:\s+|-)(\d{4,5}|\d{2,3}),?\s+"
    rb"(\d{1,2})\s*[:.]\s*(\d{1,2})(?:\s*[:.]\s*(\d{1,2})(?:[.,]\d{1,9})?)?\s*([+-]\d{4}|[+-]\d\d:\d\d|[a-z]{1,5})?",
    re.IGNORECASE)
# What ctime() writes, which some programs send:  Thu Jan  1 00:00:00 1970 +0100
_ctime = re.compile(
    rb"[a-z]{3},?\s+([a-z]{3})\s+(\d{1,2}),?\s+(\d{1,2}):(\d{2}):(\d{2})(?:\s+([a-z]{1,5}))?\s+(\d{4})"
    rb"(?:\s+([+-]\d{4}))?", re.IGNORECASE)
_comment = re.compile(rb"\([^()]*+\)?")


def parse_date(value: bytes) -> int | None:
    """Seconds since the epoch (negative before 1970), or None. The value may be folded."""
    if len(value) > _MAX_LENGTH:
        return None
    if b"(" in value:
        value = _comment.sub(b" ", value)
    value = value.strip()
    match = _date_time.match(value)
    if match:
        day, month, year, hour, minute, second, zone = match.groups()
    else:
        match = _ctime.match(value)
        if match is None:
            return None
        month, day, hour, minute, second, name, year, zone = match.groups()
        zone = zone or name
    offset = _zone(zone)
    number = MONTH_NUMBERS.get(month.lower())
    if number is None or offset is None or len(year) > 4:
        return None
    hours, minutes, seconds = int(hour), int(minute), int(second or 0)
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    try:
        days = date(_year(year), number, int(day)).toordinal() - EPOCH
    except ValueError:
        return None
    # a leap second (60) is the first second of the next minute for everybody's clock
    return days * 86400 + hours * 3600 + minutes * 60 + seconds - offset


def _year(digits: bytes) -> int:
    year = int(digits)
    if len(digits) == 2:
        # RFC 5322 4.3: 00 to 49 belong to this century
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year


def _zone(zone: bytes | None) -> int | None:
    """Seconds east of Greenwich; None where the zone cannot be."""
    if not zone:
        return 0
    if zone[:1] in b"+-":
        digits = zone[1:].replace(b":", b"")
        hours, minutes = int(digits[:2]), int(digits[2:])
        # RFC 5322 3.3: the zone is between -9959 and +9959
        if minutes > 59:
            return None
        seconds = hours * 3600 + minutes * 60
        return -seconds if zone[:1] == b"-" else seconds
    # RFC 5322 4.3: other names are to be taken as -0000
    return _ZONES.get(zone.lower(), 0) * 3600


def rfc5322_date(seconds: float) -> str:
    """A moment as header fields have it (RFC 5322 3.3), in UTC."""
    return _date_of_second(math.floor(seconds))


@lru_cache(8)
def _date_of_second(second: int) -> str:
    # all the messages of a second have the same
    moment = time.gmtime(second)
    return (
        f"{_DAYS[moment.tm_wday]}, {moment.tm_mday:02d} {MONTHS[moment.tm_mon - 1]} {moment.tm_year} "
        f"{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d} +0000"
    )
