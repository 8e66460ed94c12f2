"""Measures a program and its descendants: elapsed seconds, CPU seconds and peak memory."""

import ctypes
import os
import resource
import subprocess
import threading
import time

PR_SET_CHILD_SUBREAPER = 36
SAMPLED_EVERY = 0.05

# Orphaned descendants become children of this process. So the CPU time of a Java virtual machine
# counts even if it outlives the script that started it.
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(command, log, env=None):
    """Returns the elapsed seconds, CPU seconds and peak MB of a command, and the last line of its output if it fails."""
    before = used()
    began = time.monotonic()
    with open(log, "w+", errors="replace") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=env)
        peak = Peak(process.pid)
        _, status = os.waitpid(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - began
        reap()
        output.seek(0)
        lines = [line for line in output.read().strip().splitlines() if line.strip()]
    # The kernel's own peak of an ended process is not used. It includes the memory of this process,
    # from which it was forked.
    measured = {"wall": wall, "cpu": used() - before, "peak": peak.stopped() / 1e6}
    return measured, None if status == 0 else (lines or ["there is no output"])[-1].strip()[:200]


def used():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def reap():
    """Waits for processes that the command left running."""
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


class Peak(threading.Thread):
    """Samples the memory of a process and its descendants, and keeps the largest sum."""

    def __init__(self, root):
        super().__init__(daemon=True)
        self.root, self.largest, self.over = root, 0, threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(SAMPLED_EVERY):
            self.largest = max(self.largest, resident(self.root))

    def stopped(self):
        self.over.set()
        self.join()
        return self.largest


def resident(root):
    """Returns the resident bytes of a process and its descendants. Shared memory counts once for each process.

    For a process without descendants it is the peak so far.
    """
    parents, sizes = {}, {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(pid)], sizes[int(pid)] = int(fields[1]), int(fields[21]) * resource.getpagesize()
    family, grown = {root}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        family, grown = family | more, bool(more)
    if family == {root}:
        return high_water(root)
    return sum(sizes.get(pid, 0) for pid in family)


def high_water(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0
