"""Train on a disk of one megabyte that is nearly full, and once more when there is room again.

`full_disk.py 900000 steps=40` writes a file of 900,000 bytes to state/ before the first run. The disk is mounted in a
name space of this process alone, where every user may do so.
"""

import ctypes
import os
import runpy
import subprocess
import sys
from pathlib import Path

TRAIN = Path(__file__).parent.parent.parent / "src" / "train.py"
NEW_MOUNTS, NEW_USERS = 0x00020000, 0x10000000  # CLONE_NEWNS, CLONE_NEWUSER


def become_root():
    """Be root in name spaces of this process, as after `unshare --mount --map-root-user`."""
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_MOUNTS | NEW_USERS):
        raise OSError(ctypes.get_errno(), "unshare")
    for file, text in (("uid_map", f"0 {user} 1"), ("setgroups", "deny"), ("gid_map", f"0 {group} 1")):
        Path("/proc/self", file).write_text(text)


def train():
    """Run train.py in a process of its own, and return its exit status."""
    sys.stdout.flush()
    if not (process := os.fork()):
        runpy.run_path(str(TRAIN), run_name="__main__")
        sys.exit()
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def main(filled, *arguments):
    become_root()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "state"], check=True)
    filler = Path("state") / "filler"
    filler.write_bytes(bytes(int(filled)))
    sys.argv = [str(TRAIN), *arguments]
    if status := train():
        print(f"ended with {status}")
    print("there is room again")
    filler.unlink()
    sys.exit(train())


if __name__ == "__main__":
    main(*sys.argv[1:])
