"""A real Slurm on this machine: munge, slurmdbd over MariaDB, a controller, and one node of two processors.

Debian's packages slurm-wlm, slurmdbd, munge and mariadb-server. Everything lies in one folder, and each program listens
on a free port, so it disturbs no other Slurm. Nothing needs systemd.
"""

import getpass
import os
import shutil
import subprocess
import time
from pathlib import Path

from servers import free_port

PROGRAMS = ("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd", "mariadb-install-db", "sbatch", "sacct")
PACKAGES = "slurm-wlm slurmdbd munge mariadb-server"
_PATH = f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin"

SLURM = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounts}
AccountingStoragePass={folder}/munge.socket
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
KillWait=30
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=normal Nodes={host} Default=YES PriorityTier=1 GraceTime=60
PartitionName=urgent Nodes={host} PriorityTier=2 PreemptMode=OFF
"""
ACCOUNTS = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={accounts}
SlurmUser={user}
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
"""
CGROUP = """
CgroupPlugin=cgroup/v1
CgroupAutomount=no
ConstrainCores=no
ConstrainRAMSpace=no
"""


class Slurm:
    """A Slurm in `folder`. `environment` is what sbatch, sacct and the like need to find it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._processes, self._is_up = folder, [], False
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": _PATH}
        self._facts = {name: free_port() for name in ("controller", "node", "accounts", "database")}
        self._facts |= {"folder": folder, "user": getpass.getuser(), "host": os.uname().nodename.partition(".")[0]}

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        """End all jobs, and then what was started, the last first."""
        if self._is_up:
            self._succeeds("scancel", "--user", self._facts["user"])
            self._succeeds("scancel", "--signal=KILL", "--full", "--user", self._facts["user"])
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def run(self, *command: str) -> str:
        """Run a command of Slurm and return what it prints."""
        environment = os.environ | self.environment
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    def _start(self) -> None:
        folder, user = self._folder, self._facts["user"]
        for name in ("state", "spool"):
            (folder / name).mkdir()
        for name, text in (("slurm.conf", SLURM), ("slurmdbd.conf", ACCOUNTS), ("cgroup.conf", CGROUP)):
            (folder / name).touch(0o600)
            (folder / name).write_text(text.format(**self._facts))
        (folder / "munge.key").touch(0o600)
        (folder / "munge.key").write_bytes(os.urandom(128))
        files = [f"--{kind}-file={folder}/munge.{kind}" for kind in ("key", "pid", "log", "seed")]
        self._spawn("munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *files)
        self._database(user)
        self._wait((folder / "munge.socket").exists, 180)
        self._spawn("slurmdbd", "-D")
        self._wait(lambda: self._succeeds("sacctmgr", "--immediate", "--quiet", "add", "cluster", "test"), 180)
        self._spawn("slurmctld", "-D", "-c")
        self._spawn("slurmd", "-D")
        self._wait(lambda: self._succeeds("sinfo") and "idle" in self.run("sinfo", "--noheader", "--format=%T"), 180)
        self._is_up = True

    def _database(self, user: str) -> None:
        data = self._folder / "mariadb"
        command = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", f"--user={user}", "--skip-test-db"]
        self.run(*command, "--auth-root-authentication-method=normal")
        (self._folder / "init.sql").write_text(
            "CREATE DATABASE slurm;\n"
            "CREATE USER slurm@'127.0.0.1' IDENTIFIED BY 'slurm';\n"
            "GRANT ALL ON slurm.* TO slurm@'127.0.0.1';\n"
        )
        files = [f"--socket={self._folder}/mariadb.socket", f"--init-file={self._folder}/init.sql"]
        network = ["--bind-address=127.0.0.1", f"--port={self._facts['database']}", "--skip-name-resolve"]
        self._spawn("mariadbd", "--no-defaults", f"--datadir={data}", f"--user={user}", *files, *network)
        self._wait((self._folder / "mariadb.socket").exists, 180)

    def _spawn(self, *command: str) -> None:
        with (self._folder / f"{command[0]}.out").open("wb") as log:
            environment = os.environ | self.environment
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        self._processes.append(process)

    def _succeeds(self, *command: str) -> bool:
        try:
            self.run(*command)
        except subprocess.CalledProcessError:
            return False
        return True

    def _wait(self, condition, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            is_over = any(process.poll() is not None for process in self._processes)
            if is_over or time.monotonic() > deadline:
                raise AssertionError({file.name: file.read_text()[-2000:] for file in self._folder.glob("*.out")})
            time.sleep(0.2)


def missing() -> list[str]:
    """Return which of Slurm's programs are not installed."""
    return [program for program in PROGRAMS if shutil.which(program, path=_PATH) is None]
