"""What a program takes: seconds, processor seconds and peak memory, its descendants included."""

import ctypes
import os
import resource
import subprocess
import threading
import time

PR_SET_CHILD_SUBREAPER = 36
SAMPLED_EVERY = 0.05

# Orphans become this process's children, so that the processor time of a virtual machine that outlives the script which
# started it is counted too.
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(command, log, env=None):
    """(seconds, processor seconds, peak MB) of a command, and None or what it complained of."""
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
        said = [line for line in output.read().strip().splitlines() if line.strip()]
    # Not what the kernel says of a process that has ended: that counts this one's memory too, which it was before it was the command.
    measured = {"wall": wall, "cpu": used() - before, "peak": peak.stopped() / 1e6}
    return measured, None if status == 0 else (said or ["it said nothing"])[-1].strip()[:200]


def used():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def reap():
    """Waits for what the command left running."""
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


class Peak(threading.Thread):
    """Looks at a process and its descendants again and again, and keeps the largest sum of their sizes."""

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
    """Bytes of a process and its descendants in memory; what they share is counted once for each. Of one alone, the most so far."""
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
