"""A real mail server on loopback: Postfix receives, Dovecot stores and is read by IMAP. Own folders, /etc untouched.

Every address of `shop.example` and `customer.example` exists; the password of each is `secret`. Postfix's master
process insists on root; Dovecot runs as `nobody`.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.ports import free_port, wait_for_port

PASSWORD = "secret"
PROGRAMS = ("postfix", "dovecot")
STOP_S = 15.0

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {base}/spool
data_directory = {base}/data
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.shop.example
mydestination =
mynetworks = 127.0.0.0/8
relay_domains =
virtual_mailbox_domains = shop.example, customer.example
virtual_transport = lmtp:inet:127.0.0.1:{lmtp_port}
default_transport = error:no outside delivery in tests
smtpd_recipient_restrictions = permit_mynetworks, reject
maillog_file = {base}/postfix.log
maillog_file_prefixes = {base}
"""

MASTER_CF = """
127.0.0.1:{smtp_port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
"""

DOVECOT_CONF = """
base_dir = {base}/run
state_dir = {base}/run
log_path = {base}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
first_valid_uid = 1
last_valid_uid = 0
mail_location = maildir:{base}/mail/%u
mail_home = {base}/home/%u
auth_username_format = %Lu
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={base}/home/%u
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  process_min_avail = 1
  service_count = 0
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  user = nobody
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
"""


@dataclass(frozen=True)
class MailServer:
    """Where the running server listens."""

    smtp_port: int
    imap_port: int
    password: str = PASSWORD


def need_mail_programs() -> None:
    """Skip the test where a mail server cannot be started."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: apt-get install postfix dovecot-core dovecot-imapd dovecot-lmtpd")
    if os.geteuid() != 0:
        pytest.skip("needs root: Postfix's master process refuses every other user")


@contextmanager
def running_mail(folder: Path) -> Iterator[MailServer]:
    """Run Postfix and Dovecot while the block lasts. `folder` must be reachable by `nobody`."""
    need_mail_programs()
    smtp_port, imap_port, lmtp_port = free_port(), free_port(), free_port()
    with _dovecot(folder / "dovecot", imap_port, lmtp_port), _postfix(folder / "postfix", smtp_port, lmtp_port):
        wait_for_port(imap_port)
        wait_for_port(smtp_port)
        yield MailServer(smtp_port, imap_port)


@contextmanager
def _dovecot(base: Path, imap_port: int, lmtp_port: int) -> Iterator[None]:
    (base / "run").mkdir(parents=True)
    (base / "mail").mkdir()
    config = base / "dovecot.conf"
    config.write_text(
        DOVECOT_CONF.format(base=base, imap_port=imap_port, lmtp_port=lmtp_port, password=PASSWORD), encoding="utf-8"
    )
    for path in (base, *base.rglob("*")):
        shutil.chown(path, "nobody", "nogroup")
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    _run([*as_nobody, "dovecot", "-c", str(config)])
    try:
        yield
    finally:
        _stop(base / "run" / "master.pid")


@contextmanager
def _postfix(base: Path, smtp_port: int, lmtp_port: int) -> Iterator[None]:
    for name in ("etc", "spool", "data"):
        (base / name).mkdir(parents=True)
    shutil.chown(base / "data", "postfix")
    (base / "etc" / "main.cf").write_text(MAIN_CF.format(base=base, lmtp_port=lmtp_port), encoding="utf-8")
    (base / "etc" / "master.cf").write_text(MASTER_CF.format(smtp_port=smtp_port), encoding="utf-8")
    command = ["postfix", "-c", str(base / "etc")]
    _run([*command, "start"])
    try:
        yield
    finally:
        _run([*command, "stop"])


def _run(command: list[str]) -> None:
    """Run a command that may leave servers behind: they would keep a pipe to us open, so there is none."""
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _stop(pid_file: Path) -> None:
    """End the process that this pid file names, and wait for it."""
    pid = int(pid_file.read_text(encoding="utf-8"))
    deadline = time.monotonic() + STOP_S
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.05)
