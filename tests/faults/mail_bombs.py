"""Mails that cost their reader dear, and a program that reads one of them by itself: `python mail_bombs.py NAME`.

It prints the seconds of processor time and the bytes of memory that reading took, and what came of it.
"""

import json
import resource
import sys
import time

from channels.email.reading import read_mail
from core.errors import MalformedPayload

HEAD = b"From: jo@customer.example\r\nTo: help@shop.example\r\nSubject: bomb\r\nMIME-Version: 1.0\r\n"
PLAIN = HEAD + b"Content-Type: text/plain\r\n"
HTML = HEAD + b"Content-Type: text/html\r\n\r\n"
MIXED = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"


def _nested(depth: int) -> bytes:
    parts = (b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
    return HEAD + b"".join(parts) + b"\r\nx\r\n"


BOMBS = {
    "1,000 nested parts": lambda: _nested(1000),
    "19 nested parts": lambda: _nested(19),
    "20,000 parts": lambda: MIXED + b"--b\r\n\r\nx\r\n" * 20_000 + b"--b--",
    "50,000 recipients": lambda: HEAD + b"Cc: " + b", ".join(b"u%d@x.org" % n for n in range(50_000)) + b"\r\n\r\nx",
    "a header of 1 MiB": lambda: HEAD + b"X: " + b"a" * 2**20 + b"\r\n\r\nx",
    "5,000 headers": lambda: HEAD + b"X: y\r\n" * 5000 + b"\r\nx",
    "base64 of rubbish": lambda: PLAIN + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"!@#$%" * 2_000_000,
    "base64 of ten MiB": lambda: PLAIN + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QUFB" * 2_400_000,
    "no boundary": lambda: HEAD + b"Content-Type: multipart/mixed\r\n\r\nx",
    "an unknown charset": lambda: HEAD + b"Content-Type: text/plain; charset=nope\r\n\r\n\xff",
    "a charset that unpacks": lambda: HEAD + b"Content-Type: text/plain; charset=zlib_codec\r\n\r\n" + b"x" * 1000,
    "50 mails in each other": lambda: HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 50 + b"x",
    "100,000 blank lines": lambda: PLAIN + b"\r\nx" + b"\r\n" * 100_000 + b"y",
    "9,000,000 blank lines": lambda: PLAIN + b"\r\n" + b"\n" * 9_000_000,
    "3,000,000 dashes": lambda: PLAIN + b"\r\n" + b"--\n" * 3_000_000,
    "400,000 quoted headers": lambda: PLAIN + b"\r\n" + b"From: a@b.example\nSent: x\n" * 350_000,
    "600,000 times wrote": lambda: PLAIN + b"\r\n" + b"On On On wrote " * 600_000,
    "1,000,000 nested divs": lambda: HTML + b"<div>" * 1_000_000,
    "100,000 nested tables": lambda: HTML + b"<table><tr><td>" * 100_000,
    "a column over a milliard": lambda: HTML + b"<table><tr><td colspan=999999999>x<td rowspan=99999999>",
    "30,000 nested lists": lambda: HTML + b"<ul><li>" * 30_000 + b"x",
    "1,000 encoded words": lambda: b"From: a@b.example\r\nSubject: " + b"=?utf-8?q?a?= " * 2400 + b"\r\n\r\nx",
    "a name of brackets": lambda: b"From: " + b"(" * 30_000 + b"\r\n\r\nx",
    "900 continued parameters": lambda: HEAD + b"Content-Type: text/plain" + b"; a*0*=b" * 900 + b"\r\n\r\nx",
    "ids without end": lambda: b"From: a@b.example\r\nReferences: " + b"<a" * 15_000 + b"\r\n\r\nx",
    "a uuencoded page of nothing": lambda: (
        PLAIN + b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a\r\n" + b"\r\n" * 100_000
    ),
}


def main() -> None:
    """Read one bomb."""
    raw = BOMBS[sys.argv[1]]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    try:
        outcome = f"read, {len(read_mail(raw).text)} characters"
    except MalformedPayload as error:
        outcome = f"set aside: {error}"
    spent_s = time.process_time() - started
    grew_bytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    sys.stdout.write(json.dumps({"spent_s": spent_s, "grew_bytes": grew_bytes, "outcome": outcome}))


if __name__ == "__main__":
    main()
