"""Dates as IMAP writes them (RFC 3501 section 9)."""

from __future__ import annotations

import re
import time
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.message.date import EPOCH, MONTH_NUMBERS, MONTHS

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor

# date-time      = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
# date-day-fixed = (SP DIGIT) / 2DIGIT
# Departure: one digit without the space passes, several clients write it.
_DATE_TIME = re.compile(
    rb"\"( ?\d|\d\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\""
)
# Hours that a zone may be away from UTC: no place on earth is further than 14
_FURTHEST_ZONE = 23
_FIRST = (date.min.toordinal() - EPOCH) * 86400
_LAST = (date.max.toordinal() - EPOCH + 1) * 86400 - 1
# date           = date-text / DQUOTE date-text DQUOTE
# date-text      = date-day "-" date-month "-" date-year
_DATE = re.compile(rb"(\"?)(\d{1,2})-([A-Za-z]{3})-(\d{4})\1")


def date_time(cursor: Cursor) -> int:
    """A moment, in seconds since the epoch; below zero before it."""
    text = cursor.matching(_DATE_TIME, "Invalid date")
    found = _DATE_TIME.match(text)
    assert found is not None
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
    if (
        int(hour) > 23 or int(minute) > 59 or int(second) > 60
        or int(zone_hours) > _FURTHEST_ZONE or int(zone_minutes) > 59
    ):
        raise BadSyntax("Invalid date")
    days = _day(int(day), month, int(year))
    zone = (int(zone_hours) * 60 + int(zone_minutes)) * 60
    moment = ((days * 24 + int(hour)) * 60 + int(minute)) * 60 + int(second)
    moment += -zone if sign == b"+" else zone
    if not _FIRST <= moment <= _LAST:
        # it has a year of four digits where it comes from, and none in UTC
        raise BadSyntax("Invalid date")
    return moment


def day(cursor: Cursor) -> int:
    """A date of SEARCH, in days since the epoch."""
    text = cursor.matching(_DATE, "Invalid date")
    found = _DATE.match(text)
    assert found is not None
    return _day(int(found[2]), found[3], int(found[4]))


def _day(day_of_month: int, month: bytes, year: int) -> int:
    try:
        return date(year, MONTH_NUMBERS[month.lower()], day_of_month).toordinal() - EPOCH
    except (KeyError, ValueError):
        raise BadSyntax("Invalid date") from None


def render_date_time(moment: int) -> bytes:
    """INTERNALDATE, always in UTC: ``"17-Jul-1996 02:44:25 +0000"`` with its quotes."""
    day_number, second = divmod(moment, 86400)
    return b'"%b %02d:%02d:%02d +0000"' % (
        _rendered_day(day_number), second // 3600, second // 60 % 60, second % 60)


@lru_cache(maxsize=4096)
def _rendered_day(day_number: int) -> bytes:
    year, month, day_of_month = time.gmtime(day_number * 86400)[:3]
    return f"{day_of_month:2d}-{MONTHS[month - 1]}-{year:04d}".encode("ascii")
