"""Giving up root: the user and the group that workers run as."""

import grp
import os
import pwd
from typing import NamedTuple

from velocem.exceptions import StartError


class Identity(NamedTuple):
    """Whom a worker is to be; None where nothing is said."""

    uid: int | None
    gid: int | None
    name: str  # of the user, for the groups it belongs to; empty when the number has no name

    def drop(self) -> None:
        """Become that, with no way back. StartError when this process may not."""
        try:
            if self.gid is not None:
                if self.name:
                    os.initgroups(self.name, self.gid)
                elif os.getuid() == 0:
                    os.setgroups([self.gid])
                os.setgid(self.gid)
            if self.uid is not None:
                os.setuid(self.uid)
        except OSError as error:
            raise StartError(f"cannot become {self}: {error.strerror}") from None

    def own(self, fd: int) -> None:
        """A file that was opened before is to be opened again after the drop."""
        os.fchown(fd, -1 if self.uid is None else self.uid, -1 if self.gid is None else self.gid)

    def __str__(self) -> str:
        return f"user {self.uid}, group {self.gid}"


def find(user: str, group: str) -> Identity:
    """By name or number. Without a group it is the one that the user has; StartError when there is no such name."""
    uid, gid, name = None, None, ""
    if user:
        entry = find_user(user)
        uid, gid, name = (entry.pw_uid, entry.pw_gid, entry.pw_name) if entry else (int(user), None, "")
    if group:
        gid = find_group(group)
    return Identity(uid, gid, name)


def find_user(user: str) -> pwd.struct_passwd | None:
    """None for a number that nobody has."""
    is_number = user.isascii() and user.isdigit()
    try:
        return pwd.getpwuid(int(user)) if is_number else pwd.getpwnam(user)
    except (KeyError, OverflowError):
        if is_number and int(user) < 1 << 32:
            return None
        raise StartError(f"there is no user {user!r}") from None


def find_group(group: str) -> int:
    if group.isascii() and group.isdigit():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise StartError(f"there is no group {group!r}") from None
